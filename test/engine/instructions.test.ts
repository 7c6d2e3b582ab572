/** What is read from what processors say of themselves: x86-64 from SSE4.1 up, and arm64. */
import { describe, expect, test } from 'vitest';
import {
  COMMON_X86,
  flagsIn,
  isAvxAlone,
  multipliesBf16,
  nameOfIsa,
  type Instructions,
} from '../../src/engine/onednn/native/instructions.ts';

const x86 = (isa: number, flags: readonly string[] = []): Instructions => ({
  ...{ architecture: 'x64', isa, flags },
  limit: undefined,
});
const arm = (isa: number, flags: readonly string[] = []): Instructions => ({
  ...x86(isa, flags),
  architecture: 'arm64',
});

/** Features of real machines, as Linux tells them. */
const GRAVITON2 =
  'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs';
const GRAVITON3 = `${GRAVITON2} sha3 sm3 sm4 asimdfhm dit uscat ilrcpc flagm jscvt fcma sve svei8mm svebf16 i8mm bf16 dgh rng`;

describe('bf16', () => {
  test.each([
    ['sse4.1', x86(0x1), false],
    ['avx2', x86(0x7), false],
    ['avx2_vnni of 3.x, avx512_mic of 2.x', x86(0xf), false],
    ['avx2_vnni_2 of 3.x, avx512_mic_4ops of 2.x', x86(0x1f), false],
    ['avx512_core: emulated', x86(0x27), false],
    ['avx512_core_vnni', x86(0x67), false],
    ['avx512_core_bf16', x86(0xe7), true],
    ['avx512_core_fp16', x86(0x1ef), true],
    ['amx of 2.x', x86(0x3e7), true],
    ['avx2_vnni of 2.x', x86(0x407), false],
    ['amx of 3.x', x86(0xfef), true],
    ['avx10_2', x86(0x201ff), true],
    // The system's word does not count on x86-64: the library may have been limited below it.
    ['avx2 by a limit, on a processor with bf16', x86(0x7, ['avx2', 'avx512_bf16', 'bf16']), false],
    ['arm64 without it', arm(0x1, GRAVITON2.split(' ')), false],
    ['arm64 with it', arm(0x7, GRAVITON3.split(' ')), true],
    // Numbers of arm64 that would be AVX-512 with bf16 on x86-64.
    ['arm64 by its number', arm(0xe7, GRAVITON2.split(' ')), false],
    ['arm64 that says nothing, as on macOS', arm(0x1), false],
    ['svebf16 alone', arm(0x7, ['svebf16']), false],
    ['another kind of processor', { ...x86(0xe7, ['bf16']), architecture: 'ppc64' }, false],
  ])('%s', (_name, instructions, expected) => {
    expect(multipliesBf16(instructions)).toBe(expected);
  });
});

test('a number has the name of its kind of processor', () => {
  expect(nameOfIsa(x86(0x3), COMMON_X86)).toBe('avx');
  expect(nameOfIsa(arm(0x3), COMMON_X86)).toBe('sve_128');
  expect(nameOfIsa(arm(0x1), COMMON_X86)).toBe('asimd');
  expect(nameOfIsa(x86(0xf), { ...COMMON_X86, 0xf: 'avx2_vnni' })).toBe('avx2_vnni');
  expect(nameOfIsa(x86(0x123456), COMMON_X86)).toBe('unknown (0x123456)');
});

describe('the flags of a processor', () => {
  test.each([
    [
      'x86-64',
      'processor\t: 0\nmodel name\t: A\nflags\t\t: fpu sse4_1 avx\nbugs\t\t: b\n\nprocessor\t: 1\nflags\t\t: other\n',
      ['fpu', 'sse4_1', 'avx'],
    ],
    [
      'arm64',
      'processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd bf16 \nCPU part\t: 0xd40\n',
      ['fp', 'asimd', 'bf16'],
    ],
    ['none', 'processor\t: 0\nvmx flags\t: vnmi\n', []],
    ['an empty line', 'flags\t\t:\nbugs\t\t: x\n', []],
  ])('of %s', (_name, text, flags) => {
    expect(flagsIn(text)).toEqual(flags);
  });
});

describe('AVX without AVX2', () => {
  test.each([
    [['sse4_1'], undefined, false],
    [['sse4_1', 'avx'], undefined, true],
    [['sse4_1', 'avx', 'avx2'], undefined, false],
    [['sse4_1', 'avx', 'avx2', 'avx512f'], 'AVX', true],
    [['sse4_1', 'avx', 'avx2'], 'avx', true],
    [['sse4_1', 'avx', 'avx2'], 'AVX2', false],
    [['sse4_1', 'avx'], 'SSE41', false],
    [['sse4_1'], 'AVX', false],
  ])('%j with the limit %s: %s', (flags, limit, expected) => {
    expect(isAvxAlone({ architecture: 'x64', flags, limit })).toBe(expected);
    expect(isAvxAlone({ architecture: 'arm64', flags, limit })).toBe(false);
  });

  test('an older processor that a limit lets use more', () => {
    // ALL, or AVX2 on a processor that lacks it.
    for (const limit of ['ALL', 'AVX2', 'DEFAULT'])
      expect(isAvxAlone({ architecture: 'x64', flags: ['avx'], limit })).toBe(true);
  });
});
