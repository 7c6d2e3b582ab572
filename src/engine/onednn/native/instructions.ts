/**
 * The instructions that oneDNN uses, by the number that it tells: a bit for each set, and a set holds those below it. The
 * bits of AVX-512 and above are the same in both majors; numbers below it are not, and arm64 counts in its own way.
 */
import { readFileSync } from 'node:fs';

/** Names of x86-64 sets that both majors give the same number. */
export const COMMON_X86: Readonly<Record<number, string>> = {
  0x1: 'sse4.1',
  0x3: 'avx',
  0x7: 'avx2',
  0x27: 'avx512_core',
  0x67: 'avx512_core_vnni',
  0xe7: 'avx512_core_bf16',
};

const ARM: Readonly<Record<number, string>> = {
  0x1: 'asimd',
  0x3: 'sve_128',
  0x7: 'sve_256',
  0xf: 'sve_384',
  // Of 2.x and of 3.x.
  0x1f: 'sve_512',
  0x27: 'sve_512',
};

/** What the system says of the processor. */
export interface Processor {
  /** As `process.arch`. */
  readonly architecture: string;
  /** The words of Linux for what it has; empty elsewhere. */
  readonly flags: readonly string[];
  /** The most that oneDNN may use, by the user's word. */
  readonly limit: string | undefined;
}

/** A processor, and the library's number of the instructions that it uses of it. */
export interface Instructions extends Processor {
  readonly isa: number;
}

export function thisProcessor(): Processor {
  return {
    architecture: process.arch,
    flags: process.platform === 'linux' ? flagsIn(cpuInfo()) : [],
    limit: process.env['ONEDNN_MAX_CPU_ISA'] ?? process.env['DNNL_MAX_CPU_ISA'],
  };
}

/** The words of the first processor in the text of /proc/cpuinfo: `flags` on x86-64, `Features` on arm64. */
export function flagsIn(text: string): readonly string[] {
  const line = /^(?:flags|Features)[ \t]*:(.*)$/m.exec(text)?.[1] ?? '';
  return line.split(/\s+/).filter((word) => word !== '');
}

/** The name of a set; `x86` are those of the library's major. */
export function nameOfIsa(
  { architecture, isa }: Instructions,
  x86: Readonly<Record<number, string>>,
): string {
  const names = architecture === 'arm64' ? ARM : x86;
  return names[isa] ?? `unknown (0x${isa.toString(16)})`;
}

/** Whether the best that oneDNN may use is AVX, without AVX2: processors of 2011 to 2013. */
export function isAvxAlone({ architecture, flags, limit }: Processor): boolean {
  if (architecture !== 'x64' || !flags.includes('avx')) return false;
  const most = limit?.toUpperCase();
  return most === 'AVX' || (!flags.includes('avx2') && most !== 'SSE41');
}

const AVX512_BF16 = 0xe7;

/**
 * Whether the processor multiplies bf16 numbers itself, within the instructions that the library may use. On arm64 the
 * library's number says nothing of it; the system does.
 */
export function multipliesBf16({ architecture, isa, flags }: Instructions): boolean {
  if (architecture === 'arm64') return flags.includes('bf16');
  return architecture === 'x64' && (isa & AVX512_BF16) === AVX512_BF16;
}

function cpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // A container that hides it: then nothing is known, and f32 is right everywhere.
    return '';
  }
}
