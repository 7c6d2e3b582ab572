/**
 * The trainer and what a run keeps: configurations, clips and batches of a run, a method put to work on them, the
 * optimizer step, the loop and its learning rate, checkpoints, logs, TensorBoard events. `pretrain` and `finetune` of
 * `uscl` are made of these parts.
 *
 * @module uscl/training
 */

// Configurations.
export { FINETUNE_PRESETS, type FinetuneConfig, finetuneSchema } from '../finetune/config.ts';
export { type FinetuneSources, type PartialFinetuneConfig, resolveFinetune } from '../finetune/config.ts';
export type { ConfigFile, GivenLayers } from '../runs/config-layers.ts';
export {
  type Config,
  configSchema,
  type ConfigSources,
  type PartialConfig,
  resolveConfig,
  settled,
} from '../runs/config.ts';

// A method at work on the clips of a run.
export {
  BatchSchedule,
  type FeedOptions,
  type Feed,
  openFeed,
  type ScheduleOptions,
} from '../trainer/methods/batch-schedule.ts';
export { MethodNetwork, type Networked } from '../trainer/methods/method-network.ts';
export type { HeldOutOutputs, Outputs } from '../trainer/methods/outputs.ts';
export type { StepBatch } from '../trainer/methods/step-batch.ts';
export { checkGradients, type GradientCheck } from '../pretrain/gradient-check.ts';
export {
  type ClipFacts,
  type MethodConfig,
  type OpenedMethod,
  openMethod,
} from '../trainer/methods/open-method.ts';
export { type Split, splitClips } from '../runs/training-clips.ts';

// The step, the loop, the learning rate.
export { type TrainingLength, learningRateAt, type RunTime, train, type Training } from '../trainer/loop.ts';
export {
  parameterGroups,
  type StepResult,
  type StepSeconds,
  type TrainedLayers,
  TrainedNetwork,
} from '../trainer/trained-network.ts';

// A trained network put to use.
export {
  type BackboneSource,
  embedClips,
  embedderOf,
  loadBackbone,
  type LoadedNetwork,
  randomBackbone,
  readBackbone,
  type WhichCheckpoint,
} from '../trainer/backbone.ts';
export type { StartingWeights } from '../trainer/starting-weights.ts';
export { type Model, type ModelOptions, openModel } from '../trainer/classifier.ts';

// Weights from other tools and for them; features for others.
export { embedFile, type EmbedFileOptions, type EmbedSummary } from '../embed/embed.ts';
export {
  EXPORT_FORMATS,
  type ExportFormat,
  type ExportOptions,
  type ExportSummary,
  exportWeights,
} from '../weights/export-weights.ts';
export { exportPage, type PageOptions, type PageSummary } from '../weights/web/export-page.ts';
export { ONNX_PARTS, type OnnxPartName } from '../weights/onnx/export-onnx.ts';
export { type ImportOptions, type ImportSummary, importWeights } from '../weights/import-weights.ts';
export type { ForeignWeights, SetTerms, WeightsView } from '../trainer/foreign-weights.ts';

export { TABLE_FORMATS, type TableFormat } from '../embed/tables.ts';

// What a training leaves.
export { EventWriter, type EventWriterOptions } from '../formats/tensorboard.ts';
export type { Dtype, SafetensorsHeader, TensorEntry } from '../formats/safetensors-header.ts';
export type { NamedTensor, Safetensors, Tensor, TensorData } from '../formats/safetensors.ts';
export {
  type Best,
  type Checkpoint,
  type CheckpointState,
  readCheckpoint,
  saveCheckpoint,
  type TrainingState,
} from '../runs/checkpoint.ts';
export {
  type NamedArray,
  namedTensors,
  type NamedVector,
  restoreWeights,
  type Weights,
} from '../runs/named-tensors.ts';
export type { RankPlace } from '../trainer/methods/rank-rows.ts';
export type { FoldRunKey } from '../finetune/fold-runs.ts';
export { type EpochEntry, readEpochLog } from '../finetune/epoch-log.ts';
export type { Chooser } from '../pretrain/scorer.ts';
export { type KnnEntry, type LogEntry, readLog } from '../runs/log.ts';
export type { StepEntry, ValidationEntry } from '../runs/log.ts';
