/**
 * Probes a backbone: kNN and a linear probe on its frozen features. Backbones of the same shape with random weights
 * are probed on the same folds. For a pretraining run from random weights the first of them is the very network it started from.
 */
import { availableParallelism } from 'node:os';
import { defined } from '../base/collect.ts';
import { usageError } from '../base/errors.ts';
import { sourcesOf } from '../curation/sources.ts';
import { leakFreeUnits } from '../curation/duplicates.ts';
import { openDataset, type Dataset } from '../dataset/reader.ts';
import type { LabelledClip } from '../dataset/types.ts';
import { partOfClips, readSplit } from '../curation/splits.ts';
import type { Backend, BackendChoice, DeviceChoice } from '../engine/core/backend.ts';
import { openBackend } from '../engine/open.ts';
import type { ClipEmbeddings } from '../evaluation/features/embeddings.ts';
import { type Products, productsOn } from '../evaluation/features/products.ts';
import { compareProbes, LEFT_OUT, probe, TRAIN_ONLY } from '../evaluation/probes/probe.ts';
import {
  probeComparisonSchema,
  type ProbeResult,
  probeResultSchema,
} from '../evaluation/probes/probe-result.ts';
import { labelLeaks, leakError, overlapWith, splitLeaks } from '../runs/provenance.ts';
import {
  type BackboneSource,
  embedClips,
  loadBackbone,
  randomBackbone,
  readBackbone,
  type WhichCheckpoint,
} from '../trainer/backbone.ts';
import type { Config } from '../runs/config.ts';
import type { ViewConfig } from '../views/config.ts';
import { datasetHash, readRunFile, RUN_FILES } from '../runs/run-folder.ts';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../base/files.ts';
import { Resources } from '../base/resources.ts';

/** How a run is probed. */
export interface ProbeRunOptions {
  /** Default `best`. */
  readonly checkpoint?: WhichCheckpoint;
  /** Frames embedded a clip. Default 8. */
  readonly framesPerClip?: number;
  /** Default 5. */
  readonly folds?: number;
  /** Fold seeds. Default 5. */
  readonly seeds?: number;
  /** Name of a split kept with the dataset, instead of `folds` and `seeds`. */
  readonly split?: string;
  /** Go on where the split or pretraining leaks, and say so in the result. */
  readonly allowLeaks?: boolean;
  /** Neighbours. Default 10. */
  readonly k?: number;
  /** Random backbones to compare with. Default 3. */
  readonly randomInits?: number;
  readonly backend?: BackendChoice;
  /** Of a backend that has several: `auto` takes a GPU where there is one. Default `auto`. */
  readonly device?: DeviceChoice;
  /** Worker threads that fit probes. Default: the processors that this process may use. */
  readonly threads?: number;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Probes the backbone of `source` (run folder, checkpoint or safetensors file) on a labelled dataset. Errors: those
 * of `readBackbone`, `openDataset`, `readSplit`, `embedDataset` and `probe`; `LEAK` (unless allowed) when the split has
 * a group or the same picture on both sides, or when pretraining was given labels of tested clips; the signal's reason
 * when aborted.
 */
export async function probeRun(
  source: string,
  folder: string,
  options: ProbeRunOptions = {},
): Promise<RunProbe> {
  const weights = await readBackbone(source, options.checkpoint ?? 'best');
  using dataset = openDataset(folder);
  const folding = foldingOf(dataset, options.split);
  const overlap = overlapWith(source, dataset, (clip) => folding.tested(clip));
  const leaks = [...folding.leaks, ...labelLeaks(overlap)];
  if (leaks.length > 0 && options.allowLeaks !== true) throw leakError(leaks, folder);
  using backend = openBackend({ kind: options.backend, device: options.device, onFallback: options.onNote });
  const { path, checkpoint, config } = weights;
  const seeds = Array.from({ length: options.randomInits ?? 3 }, (_, i) => config.seed + i);
  const embedded = await embedAll(dataset, backend, weights, seeds, options);
  const names = ['pretrained', ...seeds.map((one) => `random init ${one}`)];
  const results: ProbeResult[] = [];
  for (const [i, embeddings] of embedded.entries())
    results.push(
      await probeOne(
        { clips: folding.clips, classes: dataset.manifest.classes },
        embeddings,
        folding,
        productsOn(backend),
        options,
        (done, total) => {
          tell(
            options,
            FEATURES + (1 - FEATURES) * ((i + done / total) / embedded.length),
            `${names[i]!}: folds`,
          );
        },
      ),
    );
  const pretrained = results[0]!;
  const random = seeds.map((one, i) => ({ seed: one, result: results[i + 1]! }));
  return {
    format: 'uscl-run-probe',
    version: 1,
    weights: { path, step: checkpoint?.step ?? null, epoch: checkpoint?.epoch ?? null },
    dataset: { folder, name: dataset.manifest.name, hash: datasetHash(dataset) },
    split: options.split ?? null,
    joined: folding.joined,
    leaks,
    overlap: overlap === null ? null : { seen: overlap.seen, labelsSeen: overlap.labelsSeen },
    pretrained,
    random,
    differences: random.map(({ result }) => compareProbes(pretrained, result)),
  };
}

/** What a probe tells apart: the classes of a dataset, or the datasets that it was merged from. */
export type ProbeLabels = 'classes' | 'sources';

/**
 * Probes one backbone, with nothing to compare it with: the weights of a source, or the random ones that a configuration
 * starts from. Errors: those of `probeRun`; `PROBE_SOURCES` where sources are asked for and there is one.
 */
export async function probeAlone(
  source: string | Config,
  folder: string,
  options: Omit<ProbeRunOptions, 'split' | 'randomInits'> & {
    readonly labels?: ProbeLabels;
    /** Of weights from a file: the side of images, and how they are normalised (null: as the file says). */
    readonly view?: { readonly size: number; readonly normalise: ViewConfig['normalise'] | null };
  } = {},
): Promise<ProbeResult> {
  const weights =
    typeof source === 'string'
      ? seenAs(await readBackbone(source, options.checkpoint ?? 'best'), options.view)
      : null;
  using dataset = openDataset(folder);
  const { labels = 'classes' } = options;
  const folding = foldingOf(dataset, undefined);
  if (typeof source === 'string' && labels === 'classes') {
    const leaks = labelLeaks(overlapWith(source, dataset, (clip) => folding.tested(clip)));
    if (leaks.length > 0 && options.allowLeaks !== true) throw leakError(leaks, folder);
  }
  using backend = openBackend({ kind: options.backend, device: options.device, onFallback: options.onNote });
  const config = weights === null ? (source as Config) : weights.config;
  using network =
    weights === null ? randomBackbone(backend, config, config.seed) : loadBackbone(backend, weights);
  const { signal, framesPerClip = 8 } = options;
  const [embeddings] = await embedClips(dataset, [network.plan], config.view, {
    ...{ framesPerClip, ...defined({ signal }) },
    onProgress: (done, total) => {
      tell(options, FEATURES * (done / total), `features of ${done} of ${total} frames`);
    },
  });
  const told =
    labels === 'classes'
      ? { clips: folding.clips, classes: dataset.manifest.classes }
      : bySource(dataset, folding);
  return await probeOne(told, embeddings!, folding, productsOn(backend), options, (done, total) => {
    tell(options, FEATURES + (1 - FEATURES) * (done / total), 'folds');
  });
}

/** Weights with another view of images. */
function seenAs(
  source: BackboneSource,
  view: { readonly size: number; readonly normalise: ViewConfig['normalise'] | null } | undefined,
): BackboneSource {
  if (view === undefined) return source;
  const { config } = source;
  const { size, normalise } = view;
  return {
    ...source,
    config: { ...config, view: { ...config.view, size, normalise: normalise ?? config.view.normalise } },
  };
}

/** All clips, labelled with their source. Error: `PROBE_SOURCES`. */
function bySource(dataset: Dataset, { clips }: Folding): Told {
  const { names, of } = sourcesOf(dataset);
  if (names.length < 2)
    throw usageError(
      'PROBE_SOURCES',
      `The dataset ${dataset.manifest.name} was not merged: it has one source, and nothing tells it from another.`,
      'Give a dataset that uscl merge wrote.',
      { where: dataset.folder },
    );
  return { clips: clips.map(({ id, group }, i) => ({ id, group, label: names[of[i]!]! })), classes: names };
}

/** Clips with what is to be told of them. */
interface Told {
  readonly clips: readonly LabelledClip[];
  readonly classes: readonly string[];
}

/** The folds of a dataset's clips. */
interface Folding {
  /** The clips, groups that share pictures under one name. */
  readonly clips: readonly LabelledClip[];
  /** Of a named split: fold of each clip. */
  readonly fold: Int32Array | null;
  readonly joined: readonly (readonly string[])[];
  readonly leaks: readonly string[];
  tested(clip: number): boolean;
}

function foldingOf(dataset: Dataset, name: string | undefined): Folding {
  if (name === undefined) {
    const { unitOf, joined } = leakFreeUnits(dataset.clips);
    const clips = dataset.clips.map(({ id, label }, i) => ({ id, label, group: unitOf[i]! }));
    return { clips, fold: null, joined, leaks: [], tested: (clip) => clips[clip]!.label !== null };
  }
  const split = readSplit(dataset, name);
  const partOf = partOfClips(split, dataset.clips);
  const roles = split.parts.map((part, index) =>
    split.kind === 'folds' ? index : part.name === 'test' ? 0 : part.name === 'train' ? TRAIN_ONLY : LEFT_OUT,
  );
  const fold = partOf.map((part) => roles[part]!);
  const labelled = (clip: number): boolean => dataset.clips[clip]!.label !== null;
  // What is left out or has no label enters neither side.
  const sides = fold.map((f, clip) =>
    f === LEFT_OUT || !labelled(clip) ? -1 : f === TRAIN_ONLY ? split.parts.length : f,
  );
  const leaks = splitLeaks(dataset.clips, sides, name);
  return {
    clips: dataset.clips,
    fold,
    joined: [],
    leaks,
    tested: (clip) => fold[clip]! >= 0 && labelled(clip),
  };
}

/** Share of the time that features take, roughly; the rest are the folds. */
const FEATURES = 0.7;

function tell({ onProgress }: ProbeRunOptions, share: number, note: string): void {
  onProgress?.(Math.round(100 * share), 100, note);
}

/** Features of the pretrained backbone and of the random ones: images are made once for all of them. */
async function embedAll(
  dataset: Dataset,
  backend: Backend,
  weights: BackboneSource,
  seeds: readonly number[],
  options: ProbeRunOptions,
): Promise<readonly ClipEmbeddings[]> {
  const { signal, framesPerClip = 8 } = options;
  using open = new Resources();
  const pretrained = open.use(loadBackbone(backend, weights));
  const random = seeds.map((seed) => open.use(randomBackbone(backend, weights.config, seed)));
  const plans = [pretrained, ...random].map(({ plan }) => plan);
  return await embedClips(dataset, plans, weights.config.view, {
    ...{ framesPerClip, ...defined({ signal }) },
    onProgress: (done, total) => {
      tell(options, FEATURES * (done / total), `features of ${done} of ${total} frames`);
    },
  });
}

function probeOne(
  { clips, classes }: Told,
  embeddings: ClipEmbeddings,
  folding: Folding,
  products: Products,
  options: ProbeRunOptions,
  onProgress: (done: number, total: number) => void,
): Promise<ProbeResult> {
  const { folds, seeds, k, signal } = options;
  return probe({
    embeddings,
    ...{ clips, classes },
    ...defined({ fold: folding.fold ?? undefined, folds, seeds, k, signal }),
    threads: options.threads ?? availableParallelism(),
    products,
    onProgress,
  });
}

const runProbeSchema = z.strictObject({
  format: z.literal('uscl-run-probe'),
  version: z.literal(1),
  weights: z.strictObject({ path: z.string(), step: z.number().nullable(), epoch: z.number().nullable() }),
  dataset: z.strictObject({ folder: z.string(), name: z.string(), hash: z.string() }),
  /** The split of the dataset that was used; null for folds drawn anew. */
  split: z.string().nullable(),
  /** Groups that share pictures and were therefore never parted; of folds drawn anew. */
  joined: z.array(z.array(z.string()).readonly()).readonly(),
  /** Leaks that were allowed, in words; without any the scores test generalisation. */
  leaks: z.array(z.string()).readonly(),
  /** Null where it is not known what the weights were trained on. */
  overlap: z.strictObject({ seen: z.number(), labelsSeen: z.number() }).nullable(),
  pretrained: probeResultSchema,
  random: z.array(z.strictObject({ seed: z.number(), result: probeResultSchema })),
  /** Pretrained minus random, one for each random backbone, on the same folds. */
  differences: z.array(probeComparisonSchema),
});

/**
 * A backbone beside random weights on one dataset, as a run keeps it.
 * @interface
 */
export type RunProbe = Readonly<z.infer<typeof runProbeSchema>>;

/** Keeps a probe in the folder of its run and returns the file's path. Errors: those of writing. */
export function keepProbe(run: string, probe: RunProbe): string {
  // The hash parts datasets of one name.
  const name = `${probe.dataset.name.replaceAll(/[^\w.-]+/g, '-')}-${probe.dataset.hash.slice(0, 8)}.json`;
  const path = join(run, RUN_FILES.probes, name);
  writeFileAtomic(path, [`${JSON.stringify(probe)}\n`]);
  return path;
}

/** The probes of a run, by the names of their files. Error: `RUN_DAMAGED`. */
export function readProbes(run: string): readonly RunProbe[] {
  const folder = join(run, RUN_FILES.probes);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .sort()
    .map((name) => readProbe(join(folder, name)));
}

function readProbe(path: string): RunProbe {
  const remedy = 'Remove that file, or probe the dataset again (uscl probe RUN DATASET).';
  return readRunFile(path, runProbeSchema, { what: 'A probe of the run', remedy });
}
