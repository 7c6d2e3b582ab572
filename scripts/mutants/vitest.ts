/** One call of vitest in the copy: what it said, or that it had to be stopped. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      startTime: z.number(),
      endTime: z.number(),
      message: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});

export interface TestRun {
  /** Null when there is no report: vitest was stopped or died. */
  readonly files:
    | readonly {
        /** Relative to the copy. */
        readonly file: string;
        readonly good: boolean;
        readonly seconds: number;
        /** The first test that failed; the file itself where none got that far. */
        readonly failed: string | null;
      }[]
    | null;
  readonly timedOut: boolean;
  readonly seconds: number;
}

/** Runs test files in order. `bail`: until the first failure. Past `limit` seconds all its processes are stopped. */
export async function runTests(
  folder: string,
  tests: readonly string[],
  env: Readonly<Record<string, string>>,
  { bail, limit }: { readonly bail: boolean; readonly limit: number },
): Promise<TestRun> {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const began = performance.now();
  const args = ['run', ...tests, '--reporter=json', `--outputFile=${report}`, ...(bail ? ['--bail=1'] : [])];
  const child = spawn(join(folder, 'node_modules/.bin/vitest'), args, {
    cwd: folder,
    env: { ...process.env, ...env, MUTANT_TESTS: tests.join(',') },
    stdio: 'ignore',
    detached: true,
  });
  const state = { timedOut: false };
  const stop = (): void => {
    // The group: vitest's own processes, and what tests have started, would live on.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    state.timedOut = true;
    stop();
  }, 1000 * limit);
  process.once('exit', stop);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  process.off('exit', stop);
  const seconds = (performance.now() - began) / 1000;
  const { timedOut } = state;
  if (timedOut || !existsSync(report)) return { files: null, timedOut, seconds };
  const { testResults } = reportSchema.parse(JSON.parse(readFileSync(report, 'utf8')));
  const files = testResults.map(({ name, status, startTime, endTime, assertionResults }) => {
    const failed = assertionResults.find((one) => one.status === 'failed')?.fullName;
    return {
      file: name.slice(folder.length + 1),
      good: status === 'passed',
      seconds: (endTime - startTime) / 1000,
      failed: status === 'passed' ? null : (failed ?? 'the file itself'),
    };
  });
  return { files, timedOut, seconds };
}
