/**
 * Where there is no bf16, because the processor lacks it or oneDNN may not use it, a test that compiles a plan in bf16 on oneDNN
 * is skipped and listed as such. Then nothing is shown of bf16 but by the plain backend. On x86-64 the processor says whether
 * there is any (oneDNN needs AVX-512 for it), not the code under test; on others the library alone knows.
 */
import { cpus } from 'node:os';
import { readFileSync } from 'node:fs';
import { beforeEach, type TestContext, vi } from 'vitest';
import type * as Choice from '../src/engine/onednn/precision.ts';

const isX86 = process.arch === 'x64';
/** Linux says what a processor has; elsewhere the library is asked by the tests themselves. */
const flags = isX86 && process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';

/** Instructions that oneDNN is limited to, where they are fewer. */
const limit = process.env['ONEDNN_MAX_CPU_ISA'];
const isLimited = limit !== undefined && /^(SSE41|AVX|AVX2)$/i.test(limit);

const isWithout = isLimited || (flags !== '' && !/\bavx512bw\b/.test(flags));
if (isWithout || !isX86) {
  let running: TestContext | undefined;
  beforeEach((context) => {
    running = context;
  });
  vi.doMock('../src/engine/onednn/precision.ts', async (original) => {
    const real = await original<typeof Choice>();
    const skip = (): void => {
      running?.skip(`${isLimited ? limit : (cpus()[0]?.model ?? 'this processor')} has no bf16`);
    };
    const requirePrecision: typeof real.requirePrecision = (context, precision) => {
      if (isWithout && precision === 'bf16') skip();
      try {
        real.requirePrecision(context, precision);
      } catch (thrown) {
        if (!isX86 && (thrown as { code?: string }).code === 'PRECISION') skip();
        throw thrown;
      }
    };
    return { ...real, requirePrecision };
  });
}
