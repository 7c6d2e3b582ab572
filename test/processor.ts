/**
 * Where the processor has no bf16 (oneDNN 2 needs AVX-512 for it), a test that compiles a plan in bf16 on oneDNN is skipped
 * and listed as such. On such a processor nothing is shown of bf16 but by the plain backend.
 */
import { cpus } from 'node:os';
import { readFileSync } from 'node:fs';
import { beforeEach, type TestContext, vi } from 'vitest';
import type * as Choice from '../src/engine/onednn/precision.ts';

/** Linux says what a processor has; elsewhere the library is asked by the tests themselves. */
const flags = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';

if (flags !== '' && !/\bavx512bw\b/.test(flags)) {
  let running: TestContext | undefined;
  beforeEach((context) => {
    running = context;
  });
  vi.doMock('../src/engine/onednn/precision.ts', async (original) => {
    const real = await original<typeof Choice>();
    const requirePrecision: typeof real.requirePrecision = (context, precision) => {
      if (precision === 'bf16') running?.skip(`${cpus()[0]?.model ?? 'this processor'} has no bf16`);
      real.requirePrecision(context, precision);
    };
    return { ...real, requirePrecision };
  });
}
