/** Tests run in an environment of their own, and how they went: for parts of `npm run test:matrix`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/** One library with one setting, and how its tests went. */
export interface Trial {
  readonly name: string;
  /** `absent`: the library or the instructions are not here. */
  readonly state: 'ok' | 'FAILED' | 'absent';
  readonly detail: string;
}

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

/** Runs tests of a checkout, by folders and other arguments of Vitest's; `said` ends the counts. */
export function runTests(
  root: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  said: string,
): Pick<Trial, 'state' | 'detail'> {
  const scratch = mkdtempSync(join(tmpdir(), 'uscl-trial-'));
  try {
    const file = join(scratch, 'report.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const command = [vitest, 'run', ...args, '--reporter=json', `--outputFile=${file}`];
    spawnSync(process.execPath, command, { cwd: root, env, stdio: 'ignore' });
    const report = reportSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    const failed = report.testResults.flatMap(({ name, status, assertionResults }) => {
      const tests = assertionResults.filter((test) => test.status === 'failed');
      return status === 'failed' && tests.length === 0 ? [name] : tests.map((test) => test.fullName);
    });
    const counts = `${report.numPassedTests} tests passed, ${report.numPendingTests} skipped, ${report.numFailedTests} failed, ${said}`;
    return report.success && failed.length === 0
      ? { state: 'ok', detail: counts }
      : { state: 'FAILED', detail: `${counts}: ${failed.join('; ')}` };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const DESCRIBE = `import { openBackend } from './src/engine/open.ts';
console.log(openBackend({ kind: 'onednn' }).describe().instructionSet);`;

/** The instructions that oneDNN says it uses in an environment, under a Node.js. */
export function instructionsOf(root: string, env: NodeJS.ProcessEnv, node = process.execPath): string {
  const args = ['--import', 'tsx', '--input-type=module', '-e', DESCRIBE];
  const { stdout, stderr } = spawnSync(node, args, { cwd: root, env, encoding: 'utf8' });
  return stdout.trim() === '' ? stderr.trim() : stdout.trim();
}
