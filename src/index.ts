/**
 * The library's front door: what the command line can do, a program can do. The parts that this is made of stand behind
 * doors of their own: `uscl/engine`, `uscl/data`, `uscl/methods`, `uscl/evaluation`, `uscl/training`. What stands behind
 * none of them is private.
 *
 * @module uscl
 */

// Every failure that a caller can meet; what this machine has and lacks.
export { type ErrorDetails, type ErrorKind, UsclError } from './base/errors.ts';
export { examine } from './cli/findings.ts';

// Datasets: opened, made, looked over, put together, split.
export { auditDatasets } from './curation/audit.ts';
export { mergeDatasets } from './curation/merge.ts';
export { makeSplit, type NamedSplit, readSplit, writeSplit } from './curation/splits.ts';
export { type Dataset, openDataset } from './dataset/reader.ts';
export { ingest } from './ingest/ingest.ts';
export { inspectDataset } from './ingest/inspect.ts';
export type { IngestOptions } from './ingest/options.ts';
export type { IngestSummary } from './ingest/summary.ts';
export { makePhantom } from './phantom/phantom.ts';

// Pretraining, and the judging of its backbone.
export { installMethod } from './methods/registry.ts';
export type { PretrainEvent, RunSummary } from './pretrain/events.ts';
export type { PretrainOptions } from './pretrain/open-run.ts';
export { pretrain } from './pretrain/pretrain.ts';
export { probeRun, type ProbeRunOptions, type RunProbe } from './probe/probe-run.ts';
export { type Config, type PartialConfig, resolveConfig } from './runs/config.ts';
export { type LogEntry, readLog } from './runs/log.ts';

// Fine-tuning, and two runs compared.
export { comparePredictions } from './evaluation/comparisons/compare-predictions.ts';
export type { Comparison } from './evaluation/comparisons/comparison-result.ts';
export { type Predictions, readPredictions, writePredictions } from './evaluation/scores/predictions.ts';
export { type FinetuneConfig, type PartialFinetuneConfig, resolveFinetune } from './finetune/config.ts';
export { type EpochEntry, readEpochLog } from './finetune/epoch-log.ts';
export type { FinetuneEvent, FinetuneSummary } from './finetune/events.ts';
export { finetune, type FinetuneOptions } from './finetune/finetune.ts';
export { finetuneTable } from './finetune/table.ts';

// A final model put to use.
export { evaluateRun, type EvaluateRunOptions, type ExternalEvaluation } from './evaluate/evaluate.ts';
export { explain, type Explained } from './explain/explain.ts';
export type { ExplainOptions } from './explain/options.ts';
export type { FilePredictions } from './predict/answers.ts';
export { predictFiles, type PredictOptions, Predictor } from './predict/predict.ts';
export { writeReport } from './report/report.ts';
export { type Model, openModel } from './trainer/classifier.ts';

// What weights are kept in, and what networks run on.
export type { Backend } from './engine/core/backend.ts';
export { openBackend } from './engine/open.ts';
export { readSafetensors, writeSafetensors } from './formats/safetensors.ts';
