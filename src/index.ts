/**
 * The public library: what the command line can do, a program can do. Grouped by room, lower rooms first; everything
 * else in `src` is private.
 */

// Errors: every failure a caller can meet. Randomness by address.
export { UsclError } from './base/errors.ts';
export { randomAt, type Random } from './base/random.ts';

// Formats.
export { readSafetensors, writeSafetensors } from './formats/safetensors.ts';
export { EventWriter } from './formats/tensorboard.ts';

// Engine: networks as data, backends, optimizers.
export type {
  AdamStep,
  Backend,
  BackendDescription,
  KernelTime,
  Parameters,
  Plan,
  PlanOptions,
  Precision,
  Ranges,
  SgdStep,
  Vector,
} from './engine/core/backend.ts';
export type { Network, Node, ParameterSpec, StatisticSpec } from './engine/core/network.ts';
export { cutNetwork, frozenPrefix, type CutNetwork } from './engine/core/cut.ts';
export { openBackend, type OpenOptions } from './engine/open.ts';
export {
  createOptimizer,
  type Optimizer,
  type OptimizerConfig,
  type ParameterGroup,
} from './engine/core/optimizer.ts';

// Objectives: value and gradient.
export { crossEntropy } from './objectives/cross-entropy.ts';
export { ntXent } from './objectives/nt-xent.ts';
export { softCrossEntropy } from './objectives/soft-cross-entropy.ts';
export { classWeights, rowWeights, softTargets } from './objectives/targets.ts';

// Datasets and models.
export { openDataset, type Dataset } from './dataset/reader.ts';
export {
  clipSchema,
  manifestSchema,
  type ClipDraft,
  type ClipRecord,
  type Manifest,
} from './dataset/types.ts';
export { createDataset } from './curation/create-dataset.ts';
export { type DatasetWriter } from './dataset/writer.ts';
export { auditDatasets, type AuditResult } from './curation/audit.ts';
export { auditSheet } from './curation/audit-sheet.ts';
export { DUPLICATE_DISTANCE, findDuplicates, hashDistance, leakFreeUnits } from './curation/duplicates.ts';
export { perceptualHash } from './dataset/perceptual-hash.ts';
export { mergeDatasets, type MergeSummary } from './curation/merge.ts';
export { leaksBetween, makeSplit, readSplit, writeSplit, type NamedSplit } from './curation/splits.ts';
export { groupedFolds } from './curation/folds.ts';
export { OUTPUTS, withHeads } from './models/heads.ts';
export { initialise } from './models/initialise.ts';
export { resnet } from './models/resnet.ts';

// From sources to datasets.
export { contactSheet } from './ingest/contact-sheet.ts';
export { ingest } from './ingest/ingest.ts';
export { inspectDataset, type Inspection } from './ingest/inspect.ts';
export type { IngestOptions, ReadOptions } from './ingest/options.ts';
export { outlineSheet } from './ingest/outline-sheet.ts';
export { readSources, type FoundClip, type NotRead, type ReadVisitor } from './ingest/reading.ts';
export { recipeOf, RECIPES, type Recipe, type RecipeName } from './ingest/recipes/recipes.ts';
export type { IngestSummary } from './ingest/summary.ts';
export { makePhantom } from './phantom/phantom.ts';

// Views.
export { epochBatches } from './views/batches.ts';
export {
  batchSchema,
  frameViewSchema,
  viewSchema,
  type FrameViewConfig,
  type ViewConfig,
} from './views/config.ts';
export { ClipLoader, FrameLoader } from './views/loaders.ts';
export { drawMixing } from './views/mixup.ts';
export { fillPairImages } from './views/pairs.ts';
export { fillWholeView } from './views/whole.ts';

// Evaluation.
export { embedDataset, type ClipEmbeddings, type Embedder } from './evaluation/features/embeddings.ts';
export { knnScore } from './evaluation/probes/knn-score.ts';
export { comparePredictions } from './evaluation/comparisons/compare-predictions.ts';
export { comparisonSchema, type Comparison } from './evaluation/comparisons/comparison-result.ts';
export { evaluatePredictions } from './evaluation/scores/evaluate-predictions.ts';
export { evaluationSchema, type Evaluation } from './evaluation/scores/evaluation-result.ts';
export { readPredictions, writePredictions, type Predictions } from './evaluation/scores/predictions.ts';
export { compareProbes, probe, type ProbeInput } from './evaluation/probes/probe.ts';
export { probeComparisonSchema, probeResultSchema } from './evaluation/probes/probe-result.ts';
export type { ProbeComparison, ProbeResult } from './evaluation/probes/probe-result.ts';
export { embeddingMap } from './evaluation/explanations/embedding-map.ts';
export {
  explanationSchema,
  readExplanation,
  type Explanation,
} from './evaluation/explanations/explanation.ts';
export { CamPlan, gradCam, insideShare, resizeMap } from './evaluation/explanations/grad-cam.ts';
export { overlayHeat } from './evaluation/explanations/heat-colours.ts';
export { comparableRows, nearestClips } from './evaluation/explanations/retrieval.ts';

// Methods.
export { z } from 'zod';
export { defineMethod } from './methods/method.ts';
export type * from './methods/method.ts';
export { allMethods, installMethod, methodNamed } from './methods/registry.ts';

// Training.
export { namedTensors, readCheckpoint, type Checkpoint } from './runs/checkpoint.ts';
export type { GivenLayers } from './runs/config-layers.ts';
export { configSchema, type Config, type PartialConfig } from './runs/config.ts';
export { examine, type Diagnosis } from './cli/findings.ts';
export type { PretrainEvent, RunSummary } from './pretrain/events.ts';
export {
  FINETUNE_PRESETS,
  finetuneSchema,
  resolveFinetune,
  type FinetuneConfig,
  type PartialFinetuneConfig,
} from './finetune/config.ts';
export { readEpochLog, type EpochEntry } from './finetune/epoch-log.ts';
export type { FinetuneEvent, FinetuneSummary } from './finetune/events.ts';
export { finetune, type FinetuneOptions } from './finetune/finetune.ts';
export { openModel, type Model, type ModelOptions } from './trainer/classifier.ts';
export { finetuneTable } from './finetune/table.ts';
export { readLog, type LogEntry } from './runs/log.ts';
export type { PretrainOptions } from './pretrain/open-run.ts';
export { pretrain } from './pretrain/pretrain.ts';
export { probeRun, type ProbeRunOptions, type RunProbe } from './probe/probe-run.ts';
export { resolveConfig, type ConfigSources } from './runs/config.ts';
export { explain, type Explained } from './explain/explain.ts';
export type { ExplainOptions } from './explain/options.ts';
export { filePredictionsSchema, type FilePrediction, type FilePredictions } from './predict/answers.ts';
export { predictFiles, Predictor, type PredictOptions } from './predict/predict.ts';
export { evaluateRun, type EvaluateRunOptions, type ExternalEvaluation } from './evaluate/evaluate.ts';

// Reports.
export { writeReport } from './report/report.ts';
