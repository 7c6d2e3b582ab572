/**
 * The engine's tests on each major of oneDNN, with all instructions of the processor and limited to AVX2 and to SSE4.1 (f32
 * alone there). A part of `npm run test:matrix`. What this machine does not have is said, and counted apart.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { lookAt } from '../src/engine/onednn/native/loader.ts';
import { MAJORS, placesOf, search, thisMachine } from '../src/engine/onednn/native/search.ts';

/** One library with one limit, and how its tests went. */
export interface Trial {
  readonly name: string;
  /** `absent`: the library or the instructions are not here. */
  readonly state: 'ok' | 'FAILED' | 'absent';
  readonly detail: string;
}

/** Limits of `ONEDNN_MAX_CPU_ISA`, and the set that the library must then say it uses; null: whatever there is. */
const LIMITS = [
  ['ALL', null],
  ['AVX2', 'avx2'],
  ['SSE41', 'sse4.1'],
] as const;

const DESCRIBE = `import { openBackend } from './src/engine/open.ts';
console.log(openBackend({ kind: 'onednn' }).describe().instructionSet);`;

const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

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
      const set = described(root, env);
      if (expected !== null && set !== expected)
        tell({ name, state: 'absent', detail: `the library uses ${set} here, not ${expected}` });
      else tell({ name, ...tested(root, env, set) });
    }
  }
}

/** The instructions that a library says it uses. */
function described(root: string, env: NodeJS.ProcessEnv): string {
  const args = ['--import', 'tsx', '--input-type=module', '-e', DESCRIBE];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' });
  return stdout.trim() === '' ? stderr.trim() : stdout.trim();
}

function tested(root: string, env: NodeJS.ProcessEnv, set: string): Pick<Trial, 'state' | 'detail'> {
  const scratch = mkdtempSync(join(tmpdir(), 'uscl-libraries-'));
  try {
    const file = join(scratch, 'report.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const args = [vitest, 'run', 'test/engine', '--reporter=json', `--outputFile=${file}`];
    spawnSync(process.execPath, args, { cwd: root, env, stdio: 'ignore' });
    const report = reportSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    const failed = report.testResults.flatMap(({ name, status, assertionResults }) => {
      const tests = assertionResults.filter((test) => test.status === 'failed');
      return status === 'failed' && tests.length === 0 ? [name] : tests.map((test) => test.fullName);
    });
    const counts = `${report.numPassedTests} tests passed, ${report.numPendingTests} skipped, ${set}`;
    return report.success && failed.length === 0
      ? { state: 'ok', detail: counts }
      : { state: 'FAILED', detail: `${counts}; failed: ${failed.join('; ')}` };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
