/** A small study from its file to its page: what is done, what is skipped, what is refused, and that the numbers are right. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { finetune } from '../../src/finetune/finetune.ts';
import { finishedFoldRuns } from '../../src/finetune/fold-runs.ts';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { probeRun } from '../../src/probe/probe-run.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { Results, type ScoreRecord } from '../../src/study/results.ts';
import { RANKING_FILE } from '../../src/study/summary.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';
import { copied, type Ran, ran, smallStudy, studyData } from './support.ts';

const scratch = scratchFolder();
const data = join(scratch, 'data');
const folder = join(scratch, 'whole');
let whole: Ran;

type Tree = Record<string, unknown>;
const part = (study: Tree, key: string): Tree => study[key] as Tree;

function scoreOf(job: string, out = join(folder, 'out')): ScoreRecord {
  const record = new Results(out).read(job);
  if (record?.format !== 'uscl-study-score') throw new Error(`${job} has no score`);
  return record;
}

beforeAll(async () => {
  await studyData(data);
  whole = await ran(folder, data);
});

describe('a study', () => {
  test('does every job, all recipes with the first seed before the second', () => {
    const jobs = ['0', '1'].flatMap((seed) => [
      ...[`random.s${seed}.probe.clinic`, `random.s${seed}.finetune.clinic`, `random.s${seed}.sources.pool`],
      ...['uscl', 'simclr'].flatMap((recipe) =>
        ['pretrain', 'probe.clinic', 'finetune.clinic', 'sources.pool'].map(
          (kind) => `${recipe}.s${seed}.${kind}`,
        ),
      ),
    ]);
    expect(whole.did).toEqual(jobs);
    expect(whole.outcome.complete).toBe(true);
    expect(readdirSync(join(folder, 'out', 'jobs')).sort()).toEqual(jobs.map((job) => `${job}.json`).sort());
  });

  test('scores what probeRun scores: the weights after the last step, and random ones of the same seed', async () => {
    const { pretrained, random } = await probeRun(
      join(folder, 'work', 'runs', 'uscl.s1'),
      join(data, 'clinic'),
      {
        ...{ checkpoint: 'last', folds: 2, seeds: 2, framesPerClip: 2, k: 3, randomInits: 1 },
      },
    );
    for (const [job, result] of [
      ['uscl.s1.probe.clinic', pretrained],
      ['random.s1.probe.clinic', random[0]!.result],
    ] as const) {
      const { readings } = scoreOf(job);
      for (const reader of ['linear', 'knn'] as const) {
        const found = readings.find((one) => one.reader === reader)!;
        expect(found.predicted).toEqual(result[reader].clipPredictions.map((of) => of.join('')));
        expect(found.balancedAccuracy).toBe(result[reader].clip.balancedAccuracy.mean);
      }
    }
  });

  test('takes of each fold the candidate that its inner clips prefer, and scores it as an evaluation does', () => {
    const { readings } = scoreOf('uscl.s0.finetune.clinic');
    const runs = ['low', 'high'].map((name) =>
      join(folder, 'work', 'finetune', 'uscl.s0.finetune.clinic', name),
    );
    for (const { labelRate, chosen, balancedAccuracy, auroc } of readings) {
      const records = runs.map((run) => finishedFoldRuns(run).filter((one) => one.labelRate === labelRate));
      // By hand: the higher balanced accuracy, then the lower loss, the first where there are no inner clips.
      const picks = [0, 1].map((fold) => {
        const [low, high] = records.map((own) => own.find((one) => one.fold === fold)!.score);
        if (!low || !high) return 0;
        if (low.balancedAccuracy !== high.balancedAccuracy)
          return low.balancedAccuracy > high.balancedAccuracy ? 0 : 1;
        return high.loss < low.loss ? 1 : 0;
      });
      expect(chosen).toEqual({
        low: picks.filter((pick) => pick === 0).length,
        high: picks.filter((pick) => pick === 1).length,
      });
      const [a, b] = runs.map(readPredictions);
      const cells = picks.map((pick, fold) =>
        [a!, b!][pick]!.cells.find((cell) => cell.fold === fold && cell.labelRate === labelRate)!,
      );
      const { clipMean } = evaluatePredictions({ ...a!, cells }, { resamples: 1 }).labelRates[0]!;
      expect(balancedAccuracy).toBeCloseTo(clipMean.scores.balancedAccuracy.mean!, 12);
      expect(auroc).toBeCloseTo(clipMean.scores.auroc.mean!, 6);
    }
  });

  test('fine-tunes the weights that it says, with the seed of the pretraining', async () => {
    const run = join(scratch, 'by-hand');
    const { finetune: protocol } = part(smallStudy(), 'protocols') as { finetune: { set: string[] } };
    await finetune({
      source: join(folder, 'work', 'runs', 'simclr.s1', 'checkpoints', 'last.safetensors'),
      ...{ dataset: join(data, 'clinic'), out: run },
      config: {
        set: [
          ...protocol.set,
          ...['optimizer.learningRate=0.003', 'labelRates=[0.5,1]', 'seeds=1', 'seed=1', 'finalModel=false'],
        ],
      },
    });
    const own = join(folder, 'work', 'finetune', 'simclr.s1.finetune.clinic', 'high');
    expect(readPredictions(run)).toEqual(readPredictions(own));
  });

  test('compares recipes on the endpoint: the mean over its label rates, seeds and patients drawn', () => {
    const { rows } = whole.outcome.summary;
    const of = (name: string): number => {
      const values = [0, 1].flatMap((seed) =>
        scoreOf(`${name}.s${seed}.finetune.clinic`).readings.map((one) => one.balancedAccuracy),
      );
      return values.reduce((a, b) => a + b, 0) / values.length;
    };
    for (const name of ['uscl', 'simclr']) {
      const row = rows.find(({ variant }) => variant.name === name)!;
      expect(row.endpoint).toBeCloseTo(of(name), 12);
      expect(row.compared[0]!.difference.pooled.value).toBeCloseTo(of(name) - of('random'), 12);
      expect(row.compared[0]!.seeds).toEqual([0, 1]);
    }
    const ranking = JSON.parse(readFileSync(whole.outcome.files.ranking, 'utf8')) as {
      ranking: { recipe: { name: string } }[];
    };
    const better = of('uscl') > of('simclr') ? ['uscl', 'simclr'] : ['simclr', 'uscl'];
    if (of('uscl') !== of('simclr')) expect(ranking.ranking.map(({ recipe }) => recipe.name)).toEqual(better);
  });

  test('measures how well features tell the source of a clip', () => {
    const { predicted, balancedAccuracy } = scoreOf('random.s0.sources.pool').readings[0]!;
    // The first 18 clips of the pool are of one source, the others of the other.
    const right = Array.from(predicted[0]!, (sign, clip) => sign === (clip < 18 ? '0' : '1'));
    const share = (from: number): number => right.slice(from, from + 18).filter(Boolean).length / 18;
    expect(balancedAccuracy).toBeCloseTo((share(0) + share(18)) / 2, 12);
  });

  test('leaves numbers alone: no name of a clip, a patient or a folder of this machine', () => {
    using dataset = openDataset(join(data, 'clinic'));
    const names = new Set(dataset.clips.flatMap(({ id, group }) => [id, group]));
    const files = readdirSync(join(folder, 'out'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.(json|html|txt)$/.test(name),
    );
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      const text = readFileSync(join(folder, 'out', file), 'utf8');
      expect([...names].filter((name) => text.includes(`"${name}"`) || text.includes(`>${name}<`))).toEqual(
        [],
      );
      expect(text).not.toContain(scratch);
    }
  });

  test('is not done again, and gives the same table and page', async () => {
    const before = ['report.html', 'table.txt', RANKING_FILE].map((name) =>
      readFileSync(join(folder, 'out', name), 'utf8'),
    );
    const again = await ran(folder, data);
    expect(again.did).toEqual([]);
    const after = ['report.html', 'table.txt', RANKING_FILE].map((name) =>
      readFileSync(join(folder, 'out', name), 'utf8'),
    );
    expect(after).toEqual(before);
  });

  test('goes on from its results on a machine that has no weights', async () => {
    const other = join(scratch, 'other-machine');
    copied(join(folder, 'out'), join(other, 'out'));
    rmSync(join(other, 'out', 'jobs', 'random.s1.probe.clinic.json'));
    rmSync(join(other, 'out', 'jobs', 'uscl.s1.pretrain.json'));
    const { did } = await ran(other, data);
    expect(did).toEqual(['random.s1.probe.clinic', 'uscl.s1.pretrain']);
    // The same weights come of the same seed; what they were judged by stays.
    expect(scoreOf('random.s1.probe.clinic', join(other, 'out')).readings).toEqual(
      scoreOf('random.s1.probe.clinic').readings,
    );
  });

  test('may leave recipes for later, and says what is missing', async () => {
    const { did, outcome } = await ran(join(scratch, 'some'), data, smallStudy(), { only: ['random'] });
    expect(did.every((job) => job.startsWith('random.'))).toBe(true);
    expect(outcome.complete).toBe(false);
    expect(readFileSync(outcome.files.page, 'utf8')).toContain('not done yet: everything below may change');
    const error = await errorOf(() => ran(join(scratch, 'some'), data, smallStudy(), { only: ['byol'] }));
    expect(error.message).toMatch(/no recipe "byol" .*: there are random, uscl, simclr/);
  });
});

describe('what fails', () => {
  test('is recorded under its job, the rest goes on, and --retry does it once more', async () => {
    const study = smallStudy();
    study['seeds'] = 1;
    (study['recipes'] as Tree[]).push({
      name: 'wild',
      method: 'simclr',
      set: [
        ...['optimizer.kind=sgd', 'optimizer.learningRate=100', 'optimizer.weightDecay=10'],
        ...['training.steps=40', 'data.labelRate=0'],
      ],
    });
    const own = join(scratch, 'failing');
    const { outcome, events } = await ran(own, data, study);
    expect(events.filter(({ kind }) => kind === 'failed')).toEqual([
      expect.objectContaining({ job: 'wild.s0.pretrain', code: 'NON_FINITE' }),
    ]);
    const { failed, done, total } = outcome.summary.jobs;
    expect(failed.map(({ job, error }) => [job, error.code])).toEqual([['wild.s0.pretrain', 'NON_FINITE']]);
    expect(total - done).toBe(4);
    const page = readFileSync(outcome.files.page, 'utf8');
    expect(page).toContain('wild.s0.pretrain');
    // Not tried again unasked.
    const second = await ran(own, data, study);
    expect([second.did, second.events.filter(({ kind }) => kind === 'failed')]).toEqual([[], []]);
    const third = await ran(own, data, study, { retry: true });
    expect(third.events.filter(({ kind }) => kind === 'failed')).toHaveLength(1);
  });

  test('on a target that learnt labels is not done, and the page says why', async () => {
    const study = smallStudy();
    study['seeds'] = 1;
    study['targets'] = [
      { name: 'clinic', data: 'clinic' },
      { name: 'seen', data: 'one', inPool: true },
    ];
    const { outcome, did } = await ran(join(scratch, 'seen'), data, study);
    expect(outcome.summary.refused).toEqual([
      { job: 'uscl.s0.probe.seen', reason: expect.stringMatching(/reads the labels of 18 clips/) as string },
      { job: 'uscl.s0.finetune.seen', reason: expect.any(String) as string },
    ]);
    // SimCLR reads no label.
    expect(did).toContain('simclr.s0.probe.seen');
    expect(readFileSync(outcome.files.page, 'utf8')).toMatch(/Clips of seen are among those/);
  });
});

describe('is refused before the first step', () => {
  const started = async (change: (study: Tree) => void, options = {}): Promise<unknown> => {
    const study = smallStudy();
    change(study);
    return await ran(folder, data, study, options);
  };

  test.each<readonly [string, (study: Tree) => void, string, RegExp]>([
    [
      'a set that is not there',
      (study) => (part(study, 'pretraining')['on'] = ['lake']),
      'STUDY_DATA',
      /There is no dataset lake in/,
    ],
    [
      'a typo in a recipe',
      (study) => ((study['recipes'] as Tree[])[1]!['set'] = ['method.temprature=0.1']),
      'CONFIG_UNKNOWN_KEY',
      /temprature/,
    ],
    [
      'a typo in a candidate',
      (study) =>
        ((part(part(study, 'protocols'), 'finetune')['candidates'] as Tree[])[0]!['set'] = [
          'learningRate=1',
        ]),
      'CONFIG_UNKNOWN_KEY',
      /learningRate/,
    ],
    [
      'a method that is none',
      (study) => ((study['recipes'] as Tree[])[1]!['method'] = 'simclrr'),
      'METHOD_MISSING',
      /simclrr/,
    ],
    [
      'a target that is in the pool unsaid',
      (study) => (study['targets'] = [{ name: 'clinic', data: 'two' }]),
      'STUDY_LEAK',
      /18 of its clips are in pool/,
    ],
    [
      'other settings over old results',
      (study) => ((study['recipes'] as Tree[])[1]!['set'] = ['method.temperature=0.2']),
      'STUDY_CHANGED',
      /uscl\.s0\.pretrain was made with other settings/,
    ],
    [
      'another protocol over old results',
      (study) => (part(part(study, 'protocols'), 'probe')['folds'] = 3),
      'STUDY_CHANGED',
      /probe\.clinic was made with other settings/,
    ],
  ])('%s', async (_, change, code, message) => {
    const before = readdirSync(join(folder, 'out', 'jobs'));
    const error = await errorOf(() => started(change));
    expect([error.code, error.exitCode]).toEqual([code, error.kind === 'data' ? 3 : 2]);
    expect(`${error.message} ${error.where ?? ''}`).toMatch(message);
    expect(readdirSync(join(folder, 'out', 'jobs'))).toEqual(before);
  });

  test('other data under the same name', async () => {
    const changed = join(scratch, 'changed-data');
    copied(data, changed);
    await mergeDatasets({
      datasets: [join(data, 'two'), join(data, 'one')],
      ...{ prefixes: ['two', 'one'], out: join(changed, 'pool'), name: 'pool', overwrite: true },
    });
    const error = await errorOf(() => ran(folder, changed));
    expect(error.code).toBe('STUDY_CHANGED');
  });

  test('a registered plan that was changed', async () => {
    const own = join(scratch, 'planned');
    copied(folder, own);
    rmSync(join(own, 'out', 'jobs'), { recursive: true });
    const study = { ...smallStudy(), plan: 'plan.md', seeds: 1 };
    writeFileSync(join(own, 'plan.md'), 'One endpoint.');
    await ran(own, data, study, { only: ['random'] });
    writeFileSync(join(own, 'plan.md'), 'Another endpoint.');
    const error = await errorOf(() => ran(own, data, study));
    expect(error.code).toBe('STUDY_PLAN');
    expect(error.message).toMatch(/a registered plan does not change/);
  });

  test('another commit of the program, unless it is said that commits are mixed', async () => {
    const own = join(scratch, 'commits');
    copied(folder, own);
    const path = join(own, 'out', 'jobs', 'uscl.s1.pretrain.json');
    const record = JSON.parse(readFileSync(path, 'utf8')) as { made: Tree };
    record.made['revision'] = 'c0ffee';
    writeFileSync(path, JSON.stringify(record));
    const error = await errorOf(() => ran(own, data));
    expect([error.code, error.message.includes('at c0ffee')]).toEqual(['STUDY_COMMIT', true]);
    const { outcome } = await ran(own, data, smallStudy(), { mixedCommits: true });
    expect(outcome.summary.made.revisions).toContain('c0ffee');
    expect(readFileSync(outcome.files.page, 'utf8')).toContain('c0ffee');
  });

  test('a result that was cut short', async () => {
    const own = join(scratch, 'damaged');
    copied(folder, own);
    const path = join(own, 'out', 'jobs', 'simclr.s0.probe.clinic.json');
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, 200));
    const error = await errorOf(() => ran(own, data));
    expect([error.code, error.where]).toEqual(['STUDY_DAMAGED', path]);
  });
});

test('a study goes on from the best recipes of a finished one', async () => {
  const own = join(scratch, 'confirm');
  const study = smallStudy();
  study['recipes'] = (study['recipes'] as Tree[]).slice(0, 1);
  study['best'] = { of: join('..', 'whole', 'out'), count: 1 };
  const { outcome } = await ran(own, data, study, { reportOnly: true });
  const ranking = JSON.parse(readFileSync(whole.outcome.files.ranking, 'utf8')) as {
    ranking: { recipe: { name: string } }[];
  };
  expect(outcome.summary.rows.map(({ variant }) => variant.name)).toEqual([
    'random',
    ranking.ranking[0]!.recipe.name,
  ]);
  // An unfinished study has no best recipe yet.
  const half = join(scratch, 'half');
  copied(join(folder, 'out'), half);
  const path = join(half, RANKING_FILE);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"complete": true', '"complete": false'));
  study['best'] = { of: join('..', 'half'), count: 1 };
  const error = await errorOf(() => ran(join(scratch, 'early'), data, study));
  expect(error.message).toMatch(/the study small is not finished/);
  expect(existsSync(join(scratch, 'early', 'out'))).toBe(false);
  copyFileSync(whole.outcome.files.ranking, path);
});
