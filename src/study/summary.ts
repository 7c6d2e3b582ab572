/**
 * From the results of a study to its table: scores with intervals, differences to the controls, cost, the shortcut meter,
 * and what each target could have shown. It is computed from the kept files alone, so a table can be made of half a study
 * and on a machine without the data.
 */
import { z } from 'zod';
import { groupBy, meanOrNull } from '../base/collect.ts';
import { balancedAccuracyByChance } from '../evaluation/scores/metrics.ts';
import { readRunFile } from '../runs/run-folder.ts';
import type { Job, Variant } from './grid.ts';
import { variantsOf } from './grid.ts';
import {
  balancedAccuracy,
  detectable,
  type Difference,
  differenceOf,
  type DrawOptions,
  type Estimate,
  holm,
  scoreOf,
  type Tally,
  tallyOf,
} from './nested.ts';
import type {
  FailureRecord,
  Made,
  PretrainingRecord,
  Results,
  ScoreRecord,
  TargetRecord,
  WeightsRecord,
} from './results.ts';
import {
  type Endpoint,
  type Reader,
  recipeRecord,
  type Recipe,
  type Study,
  studyError,
} from './study-file.ts';

/** A column of the table: one way to judge, on one target. */
export interface Reading {
  readonly target: string;
  readonly reader: Reader;
  readonly labelRate: number;
}

/** A cell: a recipe, judged in one way over its seeds. */
export interface Cell extends Reading {
  readonly seeds: readonly number[];
  /** Balanced accuracy. */
  readonly score: Estimate;
  readonly perSeed: readonly number[];
  /** Mean over seeds. */
  readonly auroc: number | null;
  /** Of fine-tuning: how often inner clips chose each candidate, over seeds and folds. */
  readonly chosen: Readonly<Record<string, number>> | null;
}

/** One recipe's difference to one control, by the endpoint. */
export interface Compared {
  readonly control: string;
  /** Seeds that both have. */
  readonly seeds: readonly number[];
  readonly targets: readonly string[];
  readonly difference: Difference;
  /** p with Holm's correction over the recipes compared with this control. */
  readonly holm: number;
}

/** What pretraining cost, a mean over seeds. */
export interface Cost {
  readonly pairsPerSecond: number;
  readonly minutes: number;
  readonly processorHours: number;
  readonly steps: number;
}

/** A row of the table. */
export interface Row {
  readonly variant: Variant;
  readonly isControl: boolean;
  readonly cells: readonly Cell[];
  /** Mean over the endpoint's label rates and targets, weighted alike; null until every part is there. */
  readonly endpoint: number | null;
  readonly compared: readonly Compared[];
  readonly cost: Cost | null;
  /** Balanced accuracy of telling the source, a mean over seeds. */
  readonly shortcut: number | null;
  readonly runs: readonly PretrainingRecord[];
  /** Of a recipe that takes weights from a file; null before there is a result of it. */
  readonly weights: WeightsRecord | null;
}

export interface Summary {
  readonly study: Study;
  readonly rows: readonly Row[];
  /** Columns, in order. */
  readonly readings: readonly Reading[];
  readonly targets: readonly {
    readonly name: string;
    readonly clips: number;
    readonly groups: number;
    readonly classes: readonly string[];
    readonly chance: number;
    /** By the endpoint's reader, the smallest difference that would be found, over recipes the middle one; null before there is one. */
    readonly detectable: number | null;
  }[];
  readonly jobs: { readonly done: number; readonly total: number; readonly failed: readonly FailureRecord[] };
  /** Jobs that are not done because they would be no test, and why. */
  readonly refused: readonly { readonly job: string; readonly reason: string }[];
  readonly made: {
    readonly revisions: readonly string[];
    readonly processors: readonly string[];
    readonly processorHours: number;
  };
}

/** What is kept of a study's outcome for a later one: recipes in order of the endpoint. */
const rankingSchema = z.looseObject({
  format: z.literal('uscl-study-ranking'),
  version: z.literal(1),
  study: z.string(),
  complete: z.boolean(),
  ranking: z.array(z.strictObject({ recipe: recipeRecord, endpoint: z.number() })),
});

/** The file of a study's outcome among its results. */
export const RANKING_FILE = 'ranking.json';

/** The outcome: candidates with an endpoint, the best first; controls left out. */
export function rankingOf({ study, rows, jobs }: Summary): z.infer<typeof rankingSchema> {
  const ranked = rows
    .flatMap(({ variant, isControl, endpoint }) =>
      isControl || endpoint === null ? [] : [{ recipe: variant.recipe, endpoint }],
    )
    .sort((a, b) => b.endpoint - a.endpoint);
  return {
    ...{ format: 'uscl-study-ranking', version: 1, study: study.name },
    complete: jobs.done === jobs.total,
    ranking: ranked,
  };
}

/** The best recipes of an earlier study. Errors: `STUDY_DAMAGED`, `STUDY_FILE` where it is not finished. */
export function bestOf(path: string, count: number): readonly Recipe[] {
  const { ranking, complete, study } = readRunFile(path, rankingSchema, {
    code: 'STUDY_DAMAGED',
    what: 'The outcome of the study that recipes are taken from',
    remedy: 'Run that study first (uscl study).',
  });
  if (!complete) throw studyError(path, 'best', `the study ${study} is not finished`);
  if (ranking.length < count)
    throw studyError(path, 'best', `the study ${study} has ${ranking.length} candidates, not ${count}`);
  return ranking.slice(0, count).map(({ recipe }) => recipe);
}

/** Everything that the results of a study say. Error: `STUDY_DAMAGED`. */
export function summarise(
  study: Study,
  jobs: readonly Job[],
  refused: Summary['refused'],
  results: Results,
): Summary {
  const records = jobs.flatMap(({ name }) => results.read(name) ?? []);
  const scores = records.filter((record) => record.format === 'uscl-study-score');
  const runs = records.filter((record) => record.format === 'uscl-study-pretraining');
  const targets = new Map(
    study.targets.flatMap(({ name }) => {
      const record = results.readTarget(name);
      return record === null ? [] : [[name, record] as const];
    }),
  );
  const drawing = { resamples: study.resamples };
  const readings = readingsOf(study);
  const bare = variantsOf(study).map((variant) => {
    const own = scores.filter((record) => record.variant === variant.name);
    return {
      variant,
      isControl: study.controls.includes(variant.recipe.name),
      tallies: talliesOf(study.endpoint, own, targets),
      cells: readings.flatMap((reading) => cellOf(reading, own, targets, drawing) ?? []),
      runs: runs.filter((record) => record.variant === variant.name),
      meter: own.filter(({ kind }) => kind === 'sources'),
      weights:
        records.find((record) => record.variant === variant.name && record.weights !== undefined)?.weights ??
        null,
    };
  });
  const compared = comparedWith(study, bare, drawing);
  const rows = bare.map(({ variant, isControl, cells, tallies, runs: own, meter, weights }): Row => ({
    ...{ variant, isControl, cells, runs: own, weights },
    endpoint: endpointOf(tallies),
    compared: compared.get(variant.name) ?? [],
    cost: costOf(own),
    shortcut: meanOrNull(meter.map(({ readings: [reading] }) => reading!.balancedAccuracy)),
  }));
  const failed = jobs.flatMap(({ name }) => results.readFailure(name) ?? []);
  return {
    study,
    rows,
    readings,
    refused,
    targets: [...targets.values()].map((target) => describe(target, rows)),
    jobs: { done: records.length, total: jobs.length, failed },
    made: madeBy(records.map(({ made }) => made)),
  };
}

function readingsOf({ targets, protocols: { probe, finetune } }: Study): readonly Reading[] {
  return targets.flatMap(({ name: target }) => [
    ...(probe === undefined
      ? []
      : (['linear', 'knn'] as const).map((reader) => ({ target, reader, labelRate: 1 }))),
    ...(finetune?.labelRates ?? []).map((labelRate) => ({ target, reader: 'finetune' as const, labelRate })),
  ]);
}

function readingIn(record: ScoreRecord, { reader, labelRate }: Omit<Reading, 'target'>) {
  return record.readings.find((one) => one.reader === reader && one.labelRate === labelRate);
}

function cellOf(
  reading: Reading,
  own: readonly ScoreRecord[],
  targets: ReadonlyMap<string, TargetRecord>,
  drawing: DrawOptions,
): Cell | null {
  const target = targets.get(reading.target);
  const found = bySeed(own, reading.target).flatMap((record) => {
    const one = readingIn(record, reading);
    return one === undefined ? [] : [{ seed: record.seed, one }];
  });
  if (target === undefined || found.length === 0) return null;
  const tally = tallyOf(
    target,
    found.map(({ one }) => one.predicted),
  );
  const chosen = found.flatMap(({ one }) => (one.chosen === undefined ? [] : Object.entries(one.chosen)));
  return {
    ...reading,
    seeds: found.map(({ seed }) => seed),
    score: scoreOf(tally, drawing),
    perSeed: found.map((_, i) => balancedAccuracy(tally, undefined, [i])),
    auroc: meanOrNull(found.map(({ one }) => one.auroc)),
    chosen:
      chosen.length === 0
        ? null
        : Object.fromEntries(
            [...groupBy(chosen, ([name]) => name)].map(([name, times]) => [
              name,
              times.reduce((sum, [, count]) => sum + count, 0),
            ]),
          ),
  };
}

function bySeed(own: readonly ScoreRecord[], target: string): readonly ScoreRecord[] {
  return own
    .filter((record) => record.kind !== 'sources' && record.target === target)
    .sort((a, b) => a.seed - b.seed);
}

/** The endpoint's tally of each target, by seed: its predictions at all of its label rates. */
type Tallies = ReadonlyMap<string, ReadonlyMap<number, readonly string[]>>;

function talliesOf(
  { reader, labelRates, targets: wanted }: Endpoint,
  own: readonly ScoreRecord[],
  targets: ReadonlyMap<string, TargetRecord>,
): { readonly targets: ReadonlyMap<string, TargetRecord>; readonly predicted: Tallies } {
  const rates = reader === 'finetune' ? labelRates : [1];
  const predicted = new Map(
    wanted.map((name) => [
      name,
      new Map(
        bySeed(own, name).flatMap((record) => {
          const parts = rates.map((labelRate) => readingIn(record, { reader, labelRate }));
          return parts.some((part) => part === undefined)
            ? []
            : [[record.seed, parts.flatMap((part) => part!.predicted)] as const];
        }),
      ),
    ]),
  );
  return { targets, predicted };
}

type EndpointTallies = ReturnType<typeof talliesOf>;

/** The tallies of all targets over the given seeds; null where a target or seed is missing. */
function over({ targets, predicted }: EndpointTallies, seeds: readonly number[]): readonly Tally[] | null {
  const found = [...predicted].map(([name, ofSeeds]) => {
    const target = targets.get(name);
    const texts = seeds.flatMap((seed) => {
      const own = ofSeeds.get(seed);
      return own === undefined ? [] : [own];
    });
    return target === undefined || texts.length < seeds.length ? null : tallyOf(target, texts);
  });
  return found.some((tally) => tally === null) ? null : found.map((tally) => tally!);
}

/** Seeds that are there on every target. */
function seedsIn({ predicted }: EndpointTallies): readonly number[] {
  const [first, ...rest] = [...predicted.values()];
  return [...(first?.keys() ?? [])].filter((seed) => rest.every((one) => one.has(seed)));
}

function endpointOf(tallies: EndpointTallies): number | null {
  const seeds = seedsIn(tallies);
  const found = seeds.length === 0 ? null : over(tallies, seeds);
  return found === null ? null : meanOrNull(found.map((tally) => balancedAccuracy(tally)));
}

interface Bare {
  readonly variant: Variant;
  readonly tallies: EndpointTallies;
}

/** Every recipe against every control, seeds that both have. */
function comparedWith(
  { controls, endpoint }: Study,
  bare: readonly Bare[],
  drawing: DrawOptions,
): ReadonlyMap<string, readonly Compared[]> {
  const all = new Map<string, Compared[]>(bare.map(({ variant }) => [variant.name, []]));
  for (const control of controls) {
    const against = bare.find(({ variant }) => variant.recipe.name === control)!;
    const found = bare.flatMap((one) => {
      if (one === against) return [];
      const theirs = seedsIn(against.tallies);
      const seeds = seedsIn(one.tallies).filter((seed) => theirs.includes(seed));
      const [a, b] = [over(one.tallies, seeds), over(against.tallies, seeds)];
      if (seeds.length === 0 || a === null || b === null) return [];
      return [{ name: one.variant.name, seeds, difference: differenceOf(a, b, drawing) }];
    });
    const corrected = holm(found.map(({ difference }) => difference.p));
    found.forEach(({ name, seeds, difference }, i) => {
      all.get(name)!.push({ control, seeds, targets: endpoint.targets, difference, holm: corrected[i]! });
    });
  }
  return all;
}

function costOf(runs: readonly PretrainingRecord[]): Cost | null {
  if (runs.length === 0) return null;
  const mean = (of: (run: PretrainingRecord) => number): number =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  return {
    pairsPerSecond: mean(({ batch, stepSeconds }) => batch / stepSeconds),
    minutes: mean(({ made }) => made.seconds / 60),
    processorHours: mean(({ made }) => made.processorSeconds / 3600),
    steps: mean(({ steps }) => steps),
  };
}

function describe(
  { name, classes, labels, groups }: TargetRecord,
  rows: readonly Row[],
): Summary['targets'][number] {
  const counts = classes.map((_, c) => Array.from(labels).filter((sign) => parseInt(sign, 36) === c).length);
  const errors = rows
    .flatMap(({ compared: [main] }) => {
      const at = main?.targets.indexOf(name) ?? -1;
      return at === -1 ? [] : [detectable(main!.difference.targets[at]!)];
    })
    .sort((a, b) => a - b);
  return {
    ...{ name, classes },
    clips: labels.length,
    groups: Math.max(...groups) + 1,
    chance: balancedAccuracyByChance(counts),
    detectable: errors[errors.length >> 1] ?? null,
  };
}

function madeBy(all: readonly Made[]): Summary['made'] {
  return {
    revisions: [...new Set(all.map(({ revision, version }) => revision ?? `version ${version}`))],
    processors: [...new Set(all.map(({ cpu, library }) => (library === '' ? cpu : `${cpu}: ${library}`)))],
    processorHours: all.reduce((sum, { processorSeconds }) => sum + processorSeconds, 0) / 3600,
  };
}
