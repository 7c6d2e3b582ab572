/** `uscl compare-runs` as a person meets it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { comparisonSchema } from '../../src/evaluation/comparisons/comparison-result.ts';
import { writePredictions } from '../../src/evaluation/scores/predictions.ts';
import { makePredictions } from '../evaluation/made-predictions.ts';
import { compileProgram, uscl } from './run.ts';

const scratch = mkdtempSync(join(tmpdir(), 'uscl-compare-'));
const [runA, runB] = [join(scratch, 'a'), join(scratch, 'b')];
const few = ['--resamples', '100'];

beforeAll(() => {
  compileProgram();
  for (const [run, seed] of [
    [runA, 1],
    [runB, 2],
  ] as const) {
    mkdirSync(run);
    writePredictions(join(run, 'predictions.json'), makePredictions({ seed, skill: 3 - seed }));
  }
}, 300_000);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe('uscl compare-runs', { timeout: 60_000 }, () => {
  test('prints a table of two runs on stdout, progress on stderr', async () => {
    const { code, stdout, stderr } = await uscl(['compare-runs', runA, runB, ...few]);
    expect(code).toBe(0);
    expect(stdout).toContain(`A: ${runA} (honest)`);
    expect(stdout).toContain('label rate 1: 30 clips of 10 groups, 2 seeds');
    expect(stdout).toContain('McNemar on clips');
    expect(stderr).toContain('200/200 resamples');
  });

  test('with --json says it as one object, and the table on stderr; files do as well as folders', async () => {
    const files = [runA, runB].map((run) => join(run, 'predictions.json'));
    const { code, stdout, stderr } = await uscl(['compare-runs', ...files, ...few, '--json']);
    expect(code).toBe(0);
    const comparison = comparisonSchema.parse(JSON.parse(stdout));
    expect(comparison.settings).toEqual({ resamples: 100, confidence: 0.95, seed: 0, bins: 15 });
    expect(comparison.a.name).toBe(files[0]);
    expect(stderr).toContain('McNemar on clips');
  });

  test('refuses runs on other clips with exit code 3 and the way out, which works', async () => {
    const other = join(scratch, 'other.json');
    const made = makePredictions({ seed: 3 });
    writePredictions(other, {
      ...made,
      cells: made.cells.map((cell) => ({ ...cell, rows: cell.rows.slice(1) })),
    });
    const { code, stderr, stdout } = await uscl(['compare-runs', runA, other, ...few, '--json']);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'RUNS_DIFFER', where: 'label rate 1' } });
    expect(stderr).toContain('--common-clips');
    expect((await uscl(['compare-runs', runA, other, ...few, '--common-clips'])).code).toBe(0);
  });

  test('refuses what is no run, and options that make no sense', async () => {
    const missing = await uscl(['compare-runs', runA, join(scratch, 'nowhere')]);
    expect(missing.code).toBe(3);
    expect(missing.stderr).toMatch(/There are no predictions at .*nowhere/);
    writeFileSync(join(scratch, 'broken.json'), '{');
    expect((await uscl(['compare-runs', runA, join(scratch, 'broken.json')])).stderr).toContain(
      'cannot be read as JSON',
    );
    const option = await uscl(['compare-runs', runA, runB, '--resamples', '5']);
    expect([option.code, option.stderr]).toEqual([2, expect.stringContaining('--resamples')]);
  });
});
