/**
 * The engine's tests on each major of oneDNN, with all instructions of the processor and limited to AVX2 and to SSE4.1 (f32
 * alone there). A part of `npm run test:matrix`. What this machine does not have is said, and counted apart.
 */
import { lookAt } from '../src/engine/onednn/native/loader.ts';
import { MAJORS, placesOf, search, thisMachine } from '../src/engine/onednn/native/search.ts';
import { instructionsOf, runTests, type Trial } from './trial.ts';

/** Limits of `ONEDNN_MAX_CPU_ISA`, and the set that the library must then say it uses; null: whatever there is. */
const LIMITS = [
  ['ALL', null],
  ['AVX2', 'avx2'],
  ['SSE41', 'sse4.1'],
] as const;

/** Runs test/engine of a checkout on every library, and tells each result as soon as it is there. */
export function tryLibraries(root: string, tell: (trial: Trial) => void): void {
  for (const major of MAJORS) {
    const places = placesOf(thisMachine(), major);
    const { taken } = search(places, lookAt);
    if (taken === undefined) {
      const files = places.map(({ file }) => file).join(', ');
      tell({ name: `oneDNN ${major}.x`, state: 'absent', detail: `it is not at ${files}` });
      continue;
    }
    for (const [limit, expected] of LIMITS) {
      const name = `oneDNN ${taken.version.join('.')}, ${limit === 'ALL' ? 'all instructions' : `up to ${limit}, f32`}`;
      const env = { ...process.env, USCL_DNNL: taken.path, ONEDNN_MAX_CPU_ISA: limit };
      const set = instructionsOf(root, env);
      if (expected !== null && set !== expected)
        tell({ name, state: 'absent', detail: `the library uses ${set} here, not ${expected}` });
      else tell({ name, ...runTests(root, ['test/engine'], env, set) });
    }
  }
}
