/** Runs as the programs leave them, without any training: predictions of a made-up skill, logs, explanations. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import type { Explanation } from '../../src/evaluation/explanations/explanation.ts';
import { type Predictions, writePredictions } from '../../src/evaluation/scores/predictions.ts';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { provenanceOf } from '../../src/runs/provenance.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { writeConfig } from '../../src/runs/run-folder.ts';

/** A folder that goes away after the test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'uscl-report-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Names that a page must show and never obey. */
export const HOSTILE = `<script>alert("x")</script><img src=x onerror='y'>&amp;`;

export const CLASSES = ['normal', 'b-lines', 'consolidation'] as const;

export interface FixtureDataset {
  readonly name?: string;
  readonly classes?: readonly string[];
  readonly clips?: number;
  /** Put before every id. */
  readonly prefix?: string;
  /** So many clips, from the first, have no label. Default 0. */
  readonly unlabelled?: number;
}

/** Clips of noise, two a group, classes in turn. */
export async function fixtureDataset(folder: string, options: FixtureDataset = {}): Promise<string> {
  const { name = 'phantom', classes = CLASSES, clips = 36, prefix = 'clip-', unlabelled = 0 } = options;
  using writer = createDataset(folder, {
    ...{ name, licence: 'CC0', citation: 'Nobody, 2026', homepage: null },
    classes: [...classes],
    ...{ channels: 1, size: 16, made: { command: 'test' } },
  });
  for (let clip = 0; clip < clips; clip++) {
    const random = randomAt(clip, 'fixture');
    const frame = (): Uint8Array => Uint8Array.from({ length: 256 }, () => random.integer(256));
    const size = { width: 16, height: 16, fps: 5 };
    await writer.addClip(
      {
        id: `${prefix}${String(clip).padStart(2, '0')}`,
        group: `${prefix}patient-${Math.floor(clip / 2)}`,
        label: clip < unlabelled ? null : classes[Math.floor(clip / 2) % classes.length]!,
        source: `${clip}.mp4`,
        sourceSha256: null,
        ...size,
        original: { ...size, frames: 4 },
        crop: null,
        dropped: { black: 0, blank: 0, duplicate: 0 },
        flags: [],
      },
      [frame(), frame(), frame(), frame()],
    );
  }
  writer.finish();
  return folder;
}

export interface FixtureRun {
  /** How far the true class is ahead, in logits. */
  readonly skill?: number;
  readonly seeds?: number;
  readonly labelRates?: readonly number[];
  readonly protocol?: 'honest' | 'legacy';
  readonly leaks?: readonly string[];
  /** What the training before had met of the tested clips. Default: nobody knows. */
  readonly overlap?: { readonly seen: number; readonly labelsSeen: number };
  readonly explained?: boolean;
  /** Where the weights came from: a run's folder name. */
  readonly given?: string;
  /** What those weights went through, latest first; null: nobody knows. Default: pretraining by USCL. */
  readonly before?: readonly string[] | null;
  readonly set?: readonly string[];
  /** Trainings that could hold no clip out to choose the epoch. Default 0. */
  readonly blind?: number;
  /** Classes that no clip has, behind the others. */
  readonly unseen?: readonly string[];
}

const ENVIRONMENT = {
  uscl: '0.1.0',
  node: 'v20.20.2',
  system: 'linux 6.1',
  cpu: 'A Processor',
  processors: 2,
  memory: 8 * 2 ** 30,
  backend: {
    ...{ name: 'onednn', library: 'oneDNN 2.6.3', instructionSet: 'avx512', threads: 2 },
    precisions: ['f32'],
  },
  revision: '0123456789abcdef0123456789abcdef01234567',
};

/** A fine-tuning run on `dataset`. */
export async function fixtureFinetune(
  folder: string,
  dataset: string,
  options: FixtureRun = {},
): Promise<string> {
  const { skill = 1.2, seeds = 3, labelRates = [0.25, 1], protocol = 'honest', leaks = [] } = options;
  const { before = ['uscl'], set = [], blind = 0, unseen = [], overlap = null } = options;
  mkdirSync(folder, { recursive: true });
  const write = (file: string, value: unknown): void => {
    writeFileSync(join(folder, file), JSON.stringify(value));
  };
  using opened = openDataset(dataset);
  const classes = [...opened.manifest.classes, ...unseen];
  const predictions = predictionsOf(opened.clips, classes, { skill, seeds, labelRates, protocol });
  const provenance = provenanceOf(
    opened,
    () => 'training',
    () => true,
    'uscl',
  );
  const overrides = { labelRates: [...labelRates], protocol, seeds, training: { epochs: 6 }, folds: 3 };
  writeConfig({ folder, config: resolveFinetune({ overrides, set, under: { view: { size: 32 } } }) });
  write('environment.json', ENVIRONMENT);
  write('dataset.json', provenance);
  write('source.json', {
    ...(options.given === undefined
      ? { kind: 'random', given: 'random', path: null, sha256: null, trainedOn: null }
      : {
          kind: 'weights',
          given: options.given,
          path: options.given,
          sha256: 'a'.repeat(64),
          trainedOn: before === null ? null : before.map((by) => ({ ...provenance, by })),
        }),
    ...{ step: null, epoch: null },
  });
  write('folds.json', {
    ...{ format: 'uscl-folds', version: 1, protocol, split: null, classes, folds: 3 },
    joined: [],
    ...{ leaks, overlap },
    clips: [],
  });
  writeFileSync(join(folder, 'log.jsonl'), epochLog(labelRates, seeds, protocol, blind));
  writePredictions(join(folder, 'predictions.json'), predictions);
  write('metrics.json', evaluatePredictions(predictions, { resamples: 200 }));
  if (options.explained === true) await explain(folder, opened.clips, classes);
  return folder;
}

type Clips = readonly { readonly id: string; readonly group: string; readonly label: string | null }[];

/** Predictions of three folds for each rate and seed; more labels, more skill. */
export function predictionsOf(
  clips: Clips,
  classes: readonly string[],
  options: Required<Pick<FixtureRun, 'skill' | 'seeds' | 'labelRates'>> & {
    readonly protocol: Predictions['protocol'];
  },
): Predictions {
  const { skill, seeds, labelRates, protocol } = options;
  const cells = labelRates.flatMap((labelRate) =>
    Array.from({ length: seeds }, (_, seed) => seed).flatMap((seed) =>
      [0, 1, 2].map((fold) => ({
        ...{ labelRate, seed, fold, epoch: 3 },
        rows: clips.flatMap(({ label }, clip) => {
          if (Math.floor(clip / 2) % 3 !== fold) return [];
          const truth = classes.indexOf(label ?? '');
          const random = randomAt(seed, 'fixture', clip);
          const hard = random.normal();
          return [
            {
              clip,
              frames: [0, 2, 3],
              probabilities: [0, 1, 2].map(() => {
                const logits = classes.map(
                  (_, c) => (c === truth ? skill * labelRate ** 0.3 + hard : 0) + 0.6 * random.normal(),
                );
                const powers = logits.map((logit) => Math.exp(logit));
                const sum = powers.reduce((a, b) => a + b, 0);
                return powers.map((power) => power / sum);
              }),
            },
          ];
        }),
      })),
    ),
  );
  return {
    ...{ format: 'uscl-predictions', version: 1, classes: [...classes], protocol },
    clips: clips.map(({ id, group, label }) => ({
      ...{ id, group },
      label: label === null ? null : classes.indexOf(label),
    })),
    cells,
  };
}

function epochLog(labelRates: readonly number[], seeds: number, protocol: string, blind: number): string {
  let step = 0;
  const lines = labelRates.flatMap((labelRate) =>
    Array.from({ length: 3 * seeds }, (_, cell) => cell).flatMap((cell) =>
      [0, 1, 2, 3, 4, 5].map((epoch) => {
        step += 1;
        const random = randomAt(cell, 'epochs', epoch);
        const progress = 1 - Math.exp(-epoch / 2);
        return JSON.stringify({
          ...{ kind: 'epoch', labelRate, seed: Math.floor(cell / 3), fold: cell % 3, epoch, step },
          time: 1_790_000_000 + step,
          trainLoss: 1.1 - 0.8 * progress + 0.05 * random.normal(),
          trainAccuracy: 0.33 + 0.5 * progress,
          innerLoss: 1.1 - 0.4 * progress + 0.08 * random.normal(),
          innerAccuracy: 0.4,
          innerBalancedAccuracy: Math.min(1, 0.33 + 0.3 * progress + 0.03 * random.normal()),
          chosenOn: cell < blind ? 'nothing' : protocol === 'legacy' ? 'test' : 'inner',
          best: epoch < 4,
          learningRate: 3e-4 * (1 - epoch / 6),
          ...{ gradientNorm: 1, steps: 3, images: 96, trainSeconds: 1, scoreSeconds: 1 },
          ...{ imagesPerSecond: 48, memory: 1e8 },
        });
      }),
    ),
  );
  return `${lines.join('\n')}\n`;
}

async function explain(run: string, clips: Clips, classes: readonly string[]): Promise<void> {
  const folder = join(run, 'explain');
  mkdirSync(folder, { recursive: true });
  const png = await sharp({ create: { width: 64, height: 32, channels: 3, background: '#884422' } })
    .png()
    .toBuffer();
  writeFileSync(join(folder, 'cam.png'), png);
  const referenceTo = ({ id, group, label }: Clips[number]) => ({
    clip: id,
    group,
    label,
    source: 'phantom',
  });
  const mean = { clips: clips.length, insideShare: 0.91, fieldShare: 0.62 };
  const explanation: Explanation = {
    ...{ format: 'uscl-explanation', version: 1, framesPerClip: 4 },
    weights: { file: 'best.safetensors', sha256: 'b'.repeat(64), step: 10, epoch: 2 },
    data: [{ name: 'phantom', hash: 'abc', clips: clips.length }],
    cam: {
      ...{ layer: 'layer4', cells: { width: 7, height: 7 }, target: 'predicted', videos: [] },
      entries: clips.map((clip, i) => ({
        ...referenceTo(clip),
        ...{ frame: 1, class: classes[i % classes.length]!, probability: 0.8, predicted: classes[0]! },
        ...{ insideShare: 0.9, fieldShare: 0.6, png: 'cam.png' },
      })),
      summary: {
        ...{ clips: clips.length, leftOut: 0, withoutHeat: 0, withoutField: 0, fieldsFoundNow: 0 },
        ...{ all: mean, partial: mean },
      },
    },
    map: {
      points: clips.map((clip, i) => ({ ...referenceTo(clip), x: Math.cos(i) * (i % 3), y: Math.sin(i) })),
      ...{ neighbours: 15, minDist: 0.1, epochs: 200, seed: 0, trustworthiness: 0.93 },
      agreement: {
        class: { nearest: 0.61, chance: 0.33, clips: clips.length },
        group: { nearest: 0.2, chance: 0.03, clips: clips.length },
        source: null,
      },
      csv: 'map.csv',
      svg: { class: 'a.svg', group: 'b.svg', source: 'c.svg' },
    },
    neighbours: [],
    notice: 'Research use only, not a medical device.',
  };
  writeFileSync(join(folder, 'explain.json'), JSON.stringify(explanation));
}

export interface FixturePretrain {
  /** Effective rank that it begins with. */
  readonly rank?: number;
  readonly set?: readonly string[];
  /** Clips are held out and scored. Default true. */
  readonly held?: boolean;
  /** Labels are recorded as read. Default false. */
  readonly labelled?: boolean;
  /** Default true. */
  readonly complete?: boolean;
  /** Epochs were scored by kNN, each better than the last: 0.75 in the end. Default false. */
  readonly knn?: boolean;
}

/** A pretraining run on `dataset`. */
export function fixturePretrain(folder: string, dataset: string, options: FixturePretrain = {}): string {
  const { rank = 12, set = ['method.supervisedWeight=0'], held = true, labelled = false } = options;
  const { complete = true, knn = false } = options;
  mkdirSync(folder, { recursive: true });
  using opened = openDataset(dataset);
  const write = (file: string, value: unknown): void => {
    writeFileSync(join(folder, file), JSON.stringify(value));
  };
  writeConfig({ folder, config: resolveConfig({ overrides: { training: { epochs: 5 } }, set }) });
  write('environment.json', ENVIRONMENT);
  write(
    'dataset.json',
    provenanceOf(
      opened,
      (clip) => (clip % 5 === 0 && held ? 'validation' : 'training'),
      () => labelled,
      'uscl',
    ),
  );
  const entries = Array.from({ length: 50 }, (_, i) => {
    const step = i + 1;
    const common = { step, epoch: Math.floor(i / 10), time: 1_790_000_000 + step };
    const views = { alignment: 0.4, uniformity: -1.5 - step / 50, pairAccuracy: 1 - Math.exp(-step / 15) };
    const loss = 3.4 * Math.exp(-step / 40);
    return [
      {
        ...{
          kind: 'step',
          ...common,
          ...views,
          loss,
          contrastive: loss,
          supervised: 0,
          labelled: 0,
          correct: 0,
        },
        ...{ learningRate: 3e-4, gradientNorm: 1, pairs: 16, seconds: 1, pairsPerSecond: 16 },
        ...{ dataWaitShare: 0, memory: 1e8 },
      },
      ...(step % 10 === 0 && knn
        ? [{ kind: 'knn', ...common, accuracy: 0.5, balancedAccuracy: 0.5 + step / 200, macroF1: 0.5 }]
        : []),
      ...(step % 10 === 0 && held
        ? [{ kind: 'validation', ...common, ...views, loss: loss + 0.2, effectiveRank: rank + step / 10 }]
        : []),
    ];
  }).flat();
  if (complete) write('metrics.json', {});
  writeFileSync(join(folder, 'log.jsonl'), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  return folder;
}

/** Copies a run to `copy`, some of its files changed, or gone where null stands for one. */
export function changedRun(
  run: string,
  copy: string,
  files: Readonly<Record<string, ((text: string) => string) | null>>,
): string {
  cpSync(run, copy, { recursive: true });
  for (const [file, change] of Object.entries(files)) {
    const path = join(copy, file);
    if (change === null) rmSync(path);
    else writeFileSync(path, change(readFileSync(path, 'utf8')));
  }
  return copy;
}
