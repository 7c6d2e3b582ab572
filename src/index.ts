/**
 * The public library: what the command line can do, a program can do. Grouped by room, lower rooms first; everything
 * else in `src` is private.
 */

// Errors: every failure a caller can meet.
export { UsclError, type ErrorKind } from './base/errors.ts';
export { randomAt, type Random } from './base/random.ts';

// Formats.
export {
  readSafetensors,
  writeSafetensors,
  type NamedTensor,
  type Safetensors,
} from './formats/safetensors.ts';
export { readScalars } from './formats/tensorboard-reader.ts';
export { EventWriter } from './formats/tensorboard.ts';

// Engine: networks as data, backends, optimizers.
export type {
  Backend,
  BackendDescription,
  KernelTime,
  Parameters,
  Plan,
  PlanOptions,
  Precision,
} from './engine/backend.ts';
export type { Network, Node } from './engine/network.ts';
export { openBackend, type OpenOptions } from './engine/open.ts';
export {
  createOptimizer,
  type Optimizer,
  type OptimizerConfig,
  type ParameterGroup,
} from './engine/optimizer.ts';

// Objectives: value and gradient.
export { alignmentUniformity } from './objectives/alignment-uniformity.ts';
export { crossEntropy } from './objectives/cross-entropy.ts';
export { ntXent } from './objectives/nt-xent.ts';

// Datasets and models.
export { openDataset, type Dataset } from './dataset/reader.ts';
export type { ClipRecord, Manifest } from './dataset/types.ts';
export { createDataset, type DatasetWriter } from './dataset/writer.ts';
export { OUTPUTS, withHeads, type Heads } from './models/heads.ts';
export { initialise } from './models/initialise.ts';
export { resnet, type ResNetOptions } from './models/resnet.ts';

// From sources to datasets.
export { contactSheet } from './ingest/contact-sheet.ts';
export { ingest, type IngestOptions, type IngestSummary } from './ingest/ingest.ts';
export { inspectDataset, type Inspection } from './ingest/inspect.ts';
export { makePhantom, type PhantomOptions } from './phantom/phantom.ts';

// Views.
export { epochBatches } from './views/batches.ts';
export { batchSchema, viewSchema, type BatchConfig, type ViewConfig } from './views/config.ts';
export { PairLoader, type PairBatch, type PairLoaderOptions } from './views/loader.ts';
export { fillPairImages } from './views/pairs.ts';
export { fillWholeView } from './views/whole.ts';

// Evaluation.
export { embedDataset, type ClipEmbeddings, type Embedder } from './evaluation/embeddings.ts';
export { groupedFolds } from './evaluation/folds.ts';
export { knnScore } from './evaluation/knn-score.ts';
export { accuracy, balancedAccuracy, macroF1 } from './evaluation/metrics.ts';
export { compareProbes, probe, type ProbeInput } from './evaluation/probe.ts';
export type { ProbeComparison, ProbeResult } from './evaluation/probe-result.ts';
export { featureStatistics } from './evaluation/statistics.ts';

// Methods.
export type { Losses, Method } from './methods/method.ts';
export { uscl, type UsclOptions } from './methods/uscl.ts';

// Training.
export { Backbone, readBackbone, type BackboneSource } from './training/backbone.ts';
export { bench, type BenchOptions, type BenchResult } from './training/bench.ts';
export { namedTensors, readCheckpoint, type Checkpoint, type NamedArray } from './training/checkpoint.ts';
export { configSchema, type Config, type PartialConfig } from './training/config.ts';
export { demo, type DemoOptions, type DemoSummary } from './training/demo.ts';
export { examine, type Diagnosis } from './training/doctor.ts';
export { readLog, type LogEntry } from './training/log.ts';
export { PRESETS, type Preset } from './training/presets.ts';
export { pretrain, type PretrainEvent, type PretrainOptions, type RunSummary } from './training/pretrain.ts';
export { probeRun, type ProbeRunOptions, type RunProbe } from './training/probe-run.ts';
export { resolveConfig, type ConfigSources } from './training/resolve.ts';
export { learningRateAt } from './training/schedules.ts';
