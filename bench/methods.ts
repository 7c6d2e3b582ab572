/**
 * Whether methods of pretraining learn something on simulated clips: several pretrainings of each, frozen, probed on clips
 * of other simulated patients beside random weights. Protocol: docs/results/methods/plan.md. A run whose scores are there
 * is not made again; what is kept are scores, no weights.
 *
 *     npm run bench:methods -- [--out docs/results/methods] [--only STUDY] [--seed N] [--threads 1]
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { randomAt, type Random } from '../src/base/random.ts';
import type { ProbeResult } from '../src/evaluation/probes/probe-result.ts';
import { makePhantom } from '../src/phantom/phantom.ts';
import { pretrain } from '../src/pretrain/pretrain.ts';
import { probeRun } from '../src/probe/probe-run.ts';

const { values: flags } = parseArgs({
  options: {
    out: { type: 'string', default: 'docs/results/methods' },
    only: { type: 'string' },
    seed: { type: 'string' },
    threads: { type: 'string', default: '1' },
  },
});

/** Simulated clips of 192 patients to learn from, and of 96 others to be judged on, unless a study says otherwise of seed 7. */
const LEARNT = { clips: 768, framesPerClip: 12, size: 96, seed: 20 };
const JUDGED = { clips: 384, framesPerClip: 8, size: 96 };

const SHARED = [
  ...['view.size=64', 'model.width=32', 'data.validation.fraction=0.1', 'schedule.warmupLength=3'],
  ...['checkpoint.every=1000', `threads=${flags.threads}`, 'loader.workers=0'],
];
/** Places and sizes of things in the field say nothing of the class here, and everything of the patient. */
const MOVED = [
  'view.augment.cropScale=[0.08, 1]',
  'view.augment.affine={probability: 0.8, degrees: 15, translate: [0.2, 0.2], scale: [0.7, 1.4]}',
  'view.augment.blur={probability: 0.5, sigma: [0.3, 2]}',
];
const FEW_LABELS = ['data.labelRate=0.05', 'training.epochs=60'];
const TONE = ['view.augment.brightness=0.8', 'view.augment.contrast=0.8'];

/** A study that was registered: its method, its settings, seeds of pretraining, and the seed of the clips that it is judged on. */
interface Study {
  readonly method: string;
  readonly set: readonly string[];
  /** Default: 0, 1, 2. */
  readonly seeds?: readonly number[];
  /** Default: 7. */
  readonly judged?: number;
}
const MOVED_AND_BLURRED = [MOVED[1]!, MOVED[2]!, 'training.epochs=120'];
const PUBLISHED = [
  ...MOVED_AND_BLURRED,
  'optimizer={kind: sgd, learningRate: 0.00625, momentum: 0.9, weightDecay: 0.0001}',
];
const ADAM = [...MOVED_AND_BLURRED, 'optimizer={kind: adam, learningRate: 0.0003, weightDecay: 0.0001}'];
const RUNS: Readonly<Record<string, Study>> = {
  simsiam: {
    method: 'simsiam',
    set: [...MOVED, ...TONE, 'optimizer.learningRate=0.05', 'training.epochs=120'],
  },
  'simsiam-published': { method: 'simsiam', set: PUBLISHED, judged: 9 },
  'simsiam-six-seeds': { method: 'simsiam', set: PUBLISHED, seeds: [3, 4, 5, 6, 7, 8], judged: 10 },
  'simsiam-adam': { method: 'simsiam', set: ADAM, seeds: [9, 10, 11], judged: 11 },
  moco: { method: 'moco', set: [...MOVED, 'training.epochs=100'] },
  fixmatch: { method: 'fixmatch', set: FEW_LABELS },
  'supervised-only': { method: 'fixmatch', set: [...FEW_LABELS, 'method.unlabelledWeight=0'] },
};

/** What is kept of a run: for every judged clip the share of foldings in which the linear probe was right. */
const scoresSchema = z.object({
  clips: z.array(z.object({ group: z.string(), label: z.int() })),
  pretrained: z.array(z.number()),
  random: z.array(z.array(z.number())),
});
type Scores = z.infer<typeof scoresSchema>;

const scratch = mkdtempSync(join(tmpdir(), 'uscl-methods-'));
process.on('exit', () => {
  rmSync(scratch, { recursive: true, force: true });
});
mkdirSync(flags.out, { recursive: true });
const learnt = join(scratch, 'learnt');

const results = new Map<string, Scores[]>();
for (const [name, study] of Object.entries(RUNS)) {
  const own = study.seeds ?? [0, 1, 2];
  const fileOf = (seed: number): string => join(flags.out, `${name}-seed-${seed}.json`);
  for (const seed of own) {
    if ((flags.only ?? name) !== name || Number(flags.seed ?? seed) !== seed || existsSync(fileOf(seed)))
      continue;
    writeFileSync(fileOf(seed), `${JSON.stringify(await scored(study, seed))}\n`);
  }
  // A study is summed up when it is complete.
  if (!own.every((seed) => existsSync(fileOf(seed)))) continue;
  const scores = own.map((seed) => scoresSchema.parse(JSON.parse(readFileSync(fileOf(seed), 'utf8'))));
  results.set(name, scores);
}

const lines = [...results].map(([name, scores]) => {
  const { mean, interval } = difference(scores, (one) => one.random);
  const levels = (of: Scores, all: readonly (readonly number[])[]): string =>
    all.map((right) => balanced(of, right).toFixed(3)).join(', ');
  const own = scores.map((one) => levels(one, [one.pretrained])).join(', ');
  const random = levels(scores[0]!, scores[0]!.random);
  return `${name}: ${own}; random ${random}; minus random ${signed(mean)} (${interval.map(signed).join(' to ')})`;
});
const [alone, fixmatch] = [results.get('supervised-only'), results.get('fixmatch')];
if (alone !== undefined && fixmatch !== undefined) {
  const labels = alone.map(({ pretrained }) => pretrained);
  const gain = difference(fixmatch, () => labels);
  lines.push(
    `fixmatch minus supervised-only: ${signed(gain.mean)} (${gain.interval.map(signed).join(' to ')})`,
  );
}
console.log(lines.join('\n'));
writeFileSync(join(flags.out, 'summary.txt'), `${lines.join('\n')}\n`);

async function scored({ method, set, judged: judgedSeed = 7 }: Study, seed: number): Promise<Scores> {
  const judged = join(scratch, `judged-${judgedSeed}`);
  if (!existsSync(learnt)) await makePhantom({ out: learnt, ...LEARNT });
  if (!existsSync(judged)) await makePhantom({ out: judged, ...JUDGED, seed: judgedSeed });
  const run = join(scratch, `${method}-${seed}`);
  const config = { set: [...SHARED, ...set, `seed=${seed}`] };
  await pretrain({ dataset: learnt, out: run, method, config, overwrite: true });
  const options = { checkpoint: 'last', framesPerClip: 4, randomInits: 3 } as const;
  const { pretrained, random: others } = await probeRun(run, judged, options);
  return {
    clips: pretrained.clips.map(({ group, label }) => ({ group, label })),
    pretrained: rightOf(pretrained),
    random: others.map(({ result }) => rightOf(result)),
  };
}

function rightOf({ clips, linear }: ProbeResult): number[] {
  const foldings = linear.clipPredictions;
  return clips.map(
    ({ label }, i) => foldings.filter((answers) => answers[i] === label).length / foldings.length,
  );
}

/** Balanced accuracy over clips, each counted `weights[i]` times. */
function balanced({ clips }: Scores, right: readonly number[], weights?: ArrayLike<number>): number {
  const sums = new Map<number, readonly [hits: number, count: number]>();
  for (const [i, { label }] of clips.entries()) {
    const weight = weights?.[i] ?? 1;
    const [hits, count] = sums.get(label) ?? [0, 0];
    sums.set(label, [hits + weight * right[i]!, count + weight]);
  }
  const recalls = [...sums.values()].filter(([, count]) => count > 0).map(([hits, count]) => hits / count);
  return recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length;
}

/**
 * Mean difference of pretrained networks and those they are compared with, and its 95 % interval from 10,000 draws of
 * pretraining seeds, of the others, and of patients, all at once.
 */
function difference(
  scores: readonly Scores[],
  othersOf: (one: Scores) => readonly (readonly number[])[],
): { readonly mean: number; readonly interval: readonly number[] } {
  const [first] = scores;
  const groups = [...new Set(first!.clips.map(({ group }) => group))];
  const own = scores.map(({ pretrained }) => pretrained);
  const others = othersOf(first!);
  const of = (
    mine: readonly (readonly number[])[],
    theirs: typeof mine,
    weights?: ArrayLike<number>,
  ): number =>
    meanOf(mine.map((right) => balanced(first!, right, weights))) -
    meanOf(theirs.map((right) => balanced(first!, right, weights)));
  const draws = Array.from({ length: 10_000 }, (_, draw) => {
    const random = randomAt(0, 'methods study', draw);
    const times = new Map<string, number>();
    for (const group of drawn(groups, random)) times.set(group, (times.get(group) ?? 0) + 1);
    const weights = first!.clips.map(({ group }) => times.get(group) ?? 0);
    return of(drawn(own, random), drawn(others, random), weights);
  }).sort((a, b) => a - b);
  return { mean: of(own, others), interval: [draws[250]!, draws[9749]!] };
}

function drawn<T>(items: readonly T[], random: Random): T[] {
  return items.map(() => items[random.integer(items.length)]!);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}
