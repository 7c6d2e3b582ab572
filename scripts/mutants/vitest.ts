/** One call of vitest in the copy: what it said, or that it had to be stopped. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
        /** Longest time without a word of any test, in seconds. */
        readonly pause: number;
        /** The first test that failed; the file itself where none got that far. */
        readonly failed: string | null;
      }[]
    | null;
  readonly timedOut: boolean;
  readonly seconds: number;
}

/**
 * Runs test files in order. `bail`: until the first failure. After `limit` seconds without a word of any test all its
 * processes are stopped.
 */
export async function runTests(
  folder: string,
  tests: readonly string[],
  env: Readonly<Record<string, string>>,
  { bail, limit }: { readonly bail: boolean; readonly limit: number },
): Promise<TestRun> {
  const report = join(folder, 'report.json');
  const progress = join(folder, 'progress.txt');
  rmSync(report, { force: true });
  writeFileSync(progress, '');
  const began = performance.now();
  const child = spawn(
    join(folder, 'node_modules/.bin/vitest'),
    ['run', ...tests, ...(bail ? ['--bail=1'] : [])],
    {
      cwd: folder,
      env: {
        ...process.env,
        ...env,
        ...{ MUTANT_TESTS: tests.join(','), MUTANT_REPORT: report, MUTANT_PROGRESS: progress },
      },
      stdio: 'ignore',
      detached: true,
    },
  );
  const state = { timedOut: false };
  const stop = (): void => {
    // The group: vitest's own processes, and what tests have started, would live on.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  const watch = setInterval(() => {
    if (Date.now() - statSync(progress).mtimeMs < 1000 * limit) return;
    state.timedOut = true;
    clearInterval(watch);
    stop();
  }, 500);
  process.once('exit', stop);
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(watch);
  process.off('exit', stop);
  const seconds = (performance.now() - began) / 1000;
  const { timedOut } = state;
  if (timedOut || !existsSync(report)) return { files: null, timedOut, seconds };
  const pauses = pausesOf(readFileSync(progress, 'utf8'));
  const { testResults } = reportSchema.parse(JSON.parse(readFileSync(report, 'utf8')));
  const files = testResults.map(({ name, status, startTime, endTime, assertionResults }) => {
    const failed = assertionResults.find((one) => one.status === 'failed')?.fullName;
    return {
      file: name.slice(folder.length + 1),
      good: status === 'passed',
      seconds: (endTime - startTime) / 1000,
      pause: pauses.get(name) ?? 0,
      failed: status === 'passed' ? null : (failed ?? 'the file itself'),
    };
  });
  return { files, timedOut, seconds };
}

/** Of each test file the longest time between two of its notes, in seconds. */
function pausesOf(progress: string): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  const longest = new Map<string, number>();
  for (const line of progress.split('\n').filter(Boolean)) {
    const [time = '', name = ''] = line.split(/ (.*)/);
    const pause = (Number(time) - (last.get(name) ?? Number(time))) / 1000;
    last.set(name, Number(time));
    longest.set(name, Math.max(pause, longest.get(name) ?? 0));
  }
  return longest;
}
