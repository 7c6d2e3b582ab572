/**
 * A pretraining with everything it needs open: dataset, backend, method, networks, run folder, log. They are opened
 * in order, so that an impossible run is refused before anything is written. All are closed in reverse order, also
 * where a later one could not be opened.
 */
import { Resources } from '../base/resources.ts';
import { readSplit } from '../curation/splits.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import type { Backend } from '../engine/core/backend.ts';
import { lookForTorch, openBackend } from '../engine/open.ts';
import { ALONE, type Ranks } from '../engine/ranks/communicator.ts';
import { findNccl, onDevices } from '../engine/ranks/gpus.ts';
import { meet } from '../engine/ranks/meeting.ts';
import type { Method } from '../methods/method.ts';
import { backboneOf } from '../models/backbone.ts';
import { installMethod } from '../methods/registry.ts';
import { type Config, type ConfigSources, resolveConfig, settled } from '../runs/config.ts';
import { describeEnvironment } from '../runs/environment.ts';
import { requireSameText } from '../runs/method-text.ts';
import { type EntryLog, type LogEntry, openLog } from '../runs/log.ts';
import { recordProvenance, requireSameClips } from '../runs/provenance.ts';
import { fairThreads, requireSame, requireSameStart } from '../runs/ranks/agreement.ts';
import {
  checkRun,
  clearRun,
  datasetHash,
  hashOf,
  readRunConfig,
  RUN_FILES,
  RunLock,
  type RunOptions,
  sweepRun,
  writeConfig,
  writeRunFile,
} from '../runs/run-folder.ts';
import { type Split, splitClips } from '../runs/training-clips.ts';
import { backboneAlone, requireFit, type StartingWeights } from '../trainer/starting-weights.ts';
import { BatchSchedule, type Feed, openFeed } from '../trainer/methods/batch-schedule.ts';
import type { PretrainEvent } from './events.ts';
import { MethodNetwork } from '../trainer/methods/method-network.ts';
import { type OpenedMethod, openMethod } from '../trainer/methods/open-method.ts';
import { requireDivisible } from './ranks.ts';
import { requireSameConfig, restoreRun, resultConfig } from './resume.ts';
import { Scorer } from './scorer.ts';
import { layerOf } from './start.ts';

/** What `pretrain` is told. */
export interface PretrainOptions extends RunOptions<PretrainEvent> {
  /** Name of an installed method, or a method, which is installed. Default: what the configuration says. */
  readonly method?: string | Method;
  readonly config?: Omit<ConfigSources, 'base' | 'channels'>;
}

/** The point from which a run trains: a checkpoint's step, or 0 for a new run. */
export interface RunStartPoint {
  readonly step: number;
  /** The epoch that ended there and could not be scored; null: there is none. */
  readonly unscored: number | null;
}

export class OpenRun implements AsyncDisposable {
  /** The run folder. */
  readonly folder: string;
  readonly dataset: Dataset;
  readonly config: Config;
  readonly backend: Backend;
  readonly opened: OpenedMethod;
  /** Weights that the network starts from; null for random ones, and where a checkpoint holds them. */
  readonly start: StartingWeights | null;
  readonly batchSchedule: BatchSchedule;
  readonly network: MethodNetwork;
  readonly scorer: Scorer;
  /** Of what decides the weights: what a checkpoint is held to when the run goes on. */
  readonly hashes: { readonly configHash: string; readonly datasetHash: string };
  readonly from: RunStartPoint;
  readonly log: Pick<EntryLog<LogEntry>, 'append' | 'flush' | 'close'> & Disposable;
  readonly feed: Feed;
  readonly tell: (event: PretrainEvent) => void;
  /** The processes that make this run together. */
  readonly ranks: Ranks;
  /** Whether this one writes the run: rank 0. */
  readonly writes: boolean;
  readonly #open: Resources;

  /**
   * Opens a run that starts from `init` (`readInit`). Errors: those of `openDataset`, `resolveConfig`, `openBackend` and
   * `openMethod`; `RUN_EXISTS`, `RUN_BUSY`, `OUTPUT_NOT_OURS`, `RESUME_CHANGED`, `CHECKPOINT_DAMAGED`, `WEIGHTS_MISMATCH`,
   * `WEIGHTS_INCOMPLETE`. Of several ranks: `RANKS_BATCH`, `RANKS_DIFFER`; `RANKS_FAILED` where another one has failed.
   */
  constructor(options: PretrainOptions, init: StartingWeights | null = null, ranks: Ranks = ALONE) {
    this.folder = options.out;
    this.writes = ranks.rank === 0;
    this.tell = (this.writes ? options.onEvent : undefined) ?? (() => undefined);
    using opening = new Resources();
    this.dataset = opening.use(openDataset(options.dataset));
    const start = checkRun(options.out, options);
    const saved = start === 'resumed' ? readRunConfig(this.folder) : null;
    const wanted = this.#wanted(options, saved, init);
    this.start = init === null ? null : fitted(init, wanted);
    meet(ranks);
    const threads = options.shareOfThreads ?? fairThreads(ranks, wanted.threads, saved);
    this.backend = opening.use(this.#openBackend({ ...wanted, threads }));
    meet(ranks);
    const onOwn = onDevices(
      ranks,
      this.backend,
      (text) => {
        this.note(text);
      },
      () => findNccl(lookForTorch().folder),
    );
    this.ranks = opening.use(onOwn).ranks;
    this.config = {
      ...settled(wanted, this.backend),
      ...(ranks.size === 1 && options.shareOfThreads === undefined ? {} : { threads: wanted.threads }),
    };
    this.opened = openMethod(this, this.#split());
    this.batchSchedule = new BatchSchedule(this);
    requireDivisible(this);
    this.network = opening.use(new MethodNetwork(this));
    this.scorer = opening.use(new Scorer(this));
    this.hashes = this.#hashes();
    meet(ranks);
    requireSameStart(ranks, { folder: this.folder, start }, this.config, this.hashes.datasetHash);
    // From here on the run is this process's to write.
    if (this.writes) opening.use(new RunLock(this.folder));
    this.from = saved === null ? this.#begin() : this.#goOn(saved);
    // Last: a folder counts as a run once it has its configuration.
    if (this.writes) writeConfig(this);
    this.log = this.writes ? opening.use(openLog(this)) : SILENT;
    meet(ranks);
    this.requireSameWeights();
    this.feed = openFeed(this);
    this.#open = opening.move();
  }

  /** All ranks hold the same weights; they ask together. Error: `RANKS_DIFFER`. */
  requireSameWeights(): void {
    const { values, statistics } = this.network.parameters;
    for (const [what, vector] of [['weights', values] as const, ['running statistics', statistics] as const])
      if (this.ranks.size > 1) {
        const { buffer, byteOffset, byteLength } = vector.read();
        requireSame(this.ranks, what, new Uint8Array(buffer, byteOffset, byteLength));
      }
  }

  note(text: string): void {
    this.tell({ kind: 'note', text });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _open = this.#open;
    await this.feed[Symbol.asyncDispose]();
  }

  /** What is asked for, over what a resumed run was started with. */
  #wanted({ config, method }: PretrainOptions, saved: Config | null, init: StartingWeights | null): Config {
    const { channels } = this.dataset.manifest;
    const under = saved === null ? { channels, ...(init === null ? {} : layerOf(init)) } : { base: saved };
    const name = typeof method === 'object' ? installMethod(method).name : method;
    const wanted = resolveConfig({ ...config, ...under, ...(name === undefined ? {} : { method: name }) });
    if (saved !== null) requireSameText(saved.method, 'method');
    return wanted;
  }

  #openBackend({ backend: kind, device, threads }: Pick<Config, 'backend' | 'device' | 'threads'>): Backend {
    const onFallback = (text: string): void => {
      this.note(text);
    };
    return openBackend({ kind, device, threads, onFallback });
  }

  #split(): Split {
    const { data, seed } = this.config;
    const named = data.split === null ? null : readSplit(this.dataset, data.split);
    return splitClips(this.dataset.clips, this.dataset.manifest.classes, data, seed, named);
  }

  #hashes(): OpenRun['hashes'] {
    const configHash = hashOf(resultConfig(this.config));
    return { configHash, datasetHash: datasetHash(this.dataset) };
  }

  /** Clears the folder and writes down what the run begins with. */
  #begin(): RunStartPoint {
    const beginning = { step: 0, unscored: null };
    if (!this.writes) return beginning;
    clearRun(this.folder);
    const { split, heldOutLabels, method } = this.opened;
    recordProvenance(this.folder, this.dataset, split, heldOutLabels, method.name);
    if (this.start !== null) writeRunFile(this.folder, RUN_FILES.source, this.start.record);
    const environment = describeEnvironment(this.backend.describe(), this.ranks);
    writeRunFile(this.folder, RUN_FILES.environment, environment);
    return beginning;
  }

  /** Loads the latest checkpoint, and refuses to go on with anything that would not have led to it. */
  #goOn(saved: Config): RunStartPoint {
    if (this.writes) sweepRun(this.folder);
    const note = (text: string): void => {
      this.note(text);
    };
    const restored = restoreRun(this.folder, this.network, this.hashes.datasetHash, note);
    const step = restored?.step ?? 0;
    requireSameConfig(saved, this, step);
    requireSameClips(this.folder, this.dataset, this.opened.split);
    this.scorer.best = restored?.best ?? null;
    return { step, unscored: restored?.unscored === undefined ? null : restored.epoch };
  }
}

/** The log of a rank that writes none. */
const SILENT: OpenRun['log'] = {
  append: () => undefined,
  flush: () => undefined,
  close: () => undefined,
  [Symbol.dispose]: () => undefined,
};

/** The backbone's weights, for a configuration that fits them. Errors: `WEIGHTS_MISMATCH`, `WEIGHTS_INCOMPLETE`. */
function fitted(init: StartingWeights, config: Config): StartingWeights {
  requireFit(init.record.given, init.under, config);
  return backboneAlone(init, backboneOf(config));
}
