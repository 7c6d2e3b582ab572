/**
 * What a backbone has learnt: kNN and a linear probe on its frozen features, beside backbones of the same shape with
 * random weights (the first of them is the very network the run started from), on the same folds.
 */
import { openDataset, type Dataset } from '../dataset/reader.ts';
import { openBackend } from '../engine/open.ts';
import { compareProbes, probe } from '../evaluation/probe.ts';
import type { ProbeComparison, ProbeResult } from '../evaluation/probe-result.ts';
import { Backbone, type BackboneSource, readBackbone, type WhichCheckpoint } from './backbone.ts';
import { datasetHash } from './run-folder.ts';
import { overlapWith } from './provenance.ts';

export interface ProbeRunOptions {
  /** Default `best`. */
  readonly checkpoint?: WhichCheckpoint;
  /** Frames embedded a clip. Default 8. */
  readonly framesPerClip?: number;
  /** Default 5. */
  readonly folds?: number;
  /** Fold seeds. Default 5. */
  readonly seeds?: number;
  /** Neighbours. Default 10. */
  readonly k?: number;
  /** Random backbones to compare with. Default 3. */
  readonly randomInits?: number;
  readonly backend?: 'auto' | 'onednn' | 'reference';
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** How the probed clips and those of pretraining meet. */
export interface Overlap {
  /** Clips of the probed dataset that pretraining went through. */
  readonly seen: number;
  /** Those of them whose label it was given. */
  readonly labelsSeen: number;
}

export interface RunProbe {
  readonly format: 'uscl-run-probe';
  readonly version: 1;
  readonly weights: { readonly path: string; readonly step: number | null; readonly epoch: number | null };
  readonly dataset: { readonly folder: string; readonly name: string; readonly hash: string };
  /** Null where it is not known what the weights were trained on. */
  readonly overlap: Overlap | null;
  readonly pretrained: ProbeResult;
  readonly random: readonly { readonly seed: number; readonly result: ProbeResult }[];
  /** Pretrained minus random, one for each random backbone, on the same folds. */
  readonly differences: readonly ProbeComparison[];
}

/**
 * Probes the backbone of `source` (run folder, checkpoint or safetensors file) on a labelled dataset. Errors: those
 * of `readBackbone`, `openDataset`, `embedDataset` and `probe`; the signal's reason when aborted.
 */
export async function probeRun(
  source: string,
  folder: string,
  options: ProbeRunOptions = {},
): Promise<RunProbe> {
  const weights = readBackbone(source, options.checkpoint ?? 'best');
  using dataset = openDataset(folder);
  using backend = openBackend({
    kind: options.backend ?? 'auto',
    ...(options.onNote === undefined ? {} : { onFallback: options.onNote }),
  });
  const { seed } = weights.config;
  const seeds = Array.from({ length: options.randomInits ?? 3 }, (_, i) => seed + i);
  const report = stages(1 + seeds.length, options.onProgress);
  const pretrained = await probeOne(dataset, Backbone.load(backend, weights), 'pretrained', report, options);
  const random: { seed: number; result: ProbeResult }[] = [];
  for (const one of seeds) {
    const backbone = Backbone.random(backend, weights.config, one);
    random.push({
      seed: one,
      result: await probeOne(dataset, backbone, `random init ${one}`, report, options),
    });
  }
  return {
    format: 'uscl-run-probe',
    version: 1,
    weights: weightsOf(weights),
    dataset: { folder, name: dataset.manifest.name, hash: datasetHash(dataset) },
    overlap: overlapWith(source, dataset),
    pretrained,
    random,
    differences: random.map(({ result }) => compareProbes(pretrained, result)),
  };
}

function weightsOf({ path, checkpoint }: BackboneSource): RunProbe['weights'] {
  return { path, step: checkpoint?.step ?? null, epoch: checkpoint?.epoch ?? null };
}

type Report = (part: number, done: number, total: number, note: string) => void;

/** One scale over several backbones, each with embedding (most of the time) and folds. */
function stages(backbones: number, onProgress: ProbeRunOptions['onProgress']): { next(): Report } {
  let started = 0;
  return {
    next() {
      const at = started;
      started += 1;
      return (part, done, total, note) => {
        onProgress?.(Math.round((100 * (at + part * (done / total))) / backbones), 100, note);
      };
    },
  };
}

async function probeOne(
  dataset: Dataset,
  backbone: Backbone,
  name: string,
  report: { next(): Report },
  options: ProbeRunOptions,
): Promise<ProbeResult> {
  using held = backbone;
  const tell = report.next();
  const { folds, seeds, k, signal, framesPerClip } = options;
  const embeddings = await held.embed(dataset, {
    ...(framesPerClip === undefined ? {} : { framesPerClip }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done, total) => {
      tell(0.9, done, total, `${name}: features`);
    },
  });
  return await probe({
    embeddings,
    clips: dataset.clips,
    classes: dataset.manifest.classes,
    ...(folds === undefined ? {} : { folds }),
    ...(seeds === undefined ? {} : { seeds }),
    ...(k === undefined ? {} : { k }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done, total) => {
      tell(1, 0.9 * total + 0.1 * done, total, `${name}: folds`);
    },
  });
}
