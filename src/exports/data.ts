/**
 * Clips, from files to batches of images: datasets read and written, ingest and its parts, public sets, simulated clips,
 * curation (splits, duplicates, audits), views and the loaders that make them ahead. No network and no loss.
 *
 * @module uscl/data
 */

// Datasets on disk.
export { createDataset } from '../curation/create-dataset.ts';
export { perceptualHash } from '../dataset/perceptual-hash.ts';
export { type Dataset, openDataset } from '../dataset/reader.ts';
export {
  type ClipDraft,
  type ClipRecord,
  clipSchema,
  type Field,
  type LabelledClip,
  type Manifest,
  manifestSchema,
} from '../dataset/types.ts';
export type {
  CarriedSplits,
  ClipExtras,
  DatasetOptions,
  DatasetStart,
  DatasetWriter,
  SplitCarrier,
} from '../dataset/writer.ts';

// Curation: what may be learnt from and judged on.
export { auditSheet } from '../curation/audit-sheet.ts';
export {
  auditDatasets,
  type AuditedClip,
  type AuditOptions,
  type AuditReason,
  type AuditResult,
  type SuspectedPair,
} from '../curation/audit.ts';
export {
  DUPLICATE_DISTANCE,
  type DuplicatePair,
  type ComparedClip,
  findDuplicates,
  hashDistance,
  type LeakFreeUnits,
  leakFreeUnits,
} from '../curation/duplicates.ts';
export { groupedFolds } from '../curation/folds.ts';
export { type MergedPart, mergeDatasets, type MergeOptions, type MergeSummary } from '../curation/merge.ts';
export {
  leaksBetween,
  makeSplit,
  type NamedSplit,
  readSplit,
  type SplitLeak,
  type SplitRequest,
  writeSplit,
} from '../curation/splits.ts';

// From sources to datasets.
export { contactSheet } from '../ingest/contact-sheet.ts';
export { ingest } from '../ingest/ingest.ts';
export { inspectDataset, type Inspection, type Problem } from '../ingest/inspect.ts';
export type { IngestOptions, ReadOptions } from '../ingest/options.ts';
export { type OutlineSheet, outlineSheet } from '../ingest/outline-sheet.ts';
export {
  type Recipe,
  type RecipeName,
  recipeOf,
  type RecipeOptions,
  RECIPES,
} from '../ingest/recipes/recipes.ts';
export type { Sampling } from '../ingest/clip.ts';
export type { DropCounts } from '../ingest/clean.ts';
export type { Rejection, Warning } from '../ingest/common/ingest-plan.ts';
export type { PictureLayout } from '../ingest/folders/discover.ts';
export type { AlikeReport, CropReport, IngestSummary } from '../ingest/summary.ts';
export { makePhantom, type PhantomOptions } from '../phantom/phantom.ts';

// Views: which frames of a clip, how they become images.
export { cropsAndFlips, wholeFrame } from '../views/augment-levels.ts';
export { AUGMENT_PRESETS, type AugmentPreset } from '../views/augment-presets.ts';
export { type BatchedClip, epochBatches } from '../views/batches.ts';
export { type ClipViews, type FrameView, framesWanted, viewCount } from '../views/clip-views.ts';
export {
  type AugmentConfig,
  type BatchConfig,
  batchSchema,
  type FrameViewConfig,
  frameViewSchema,
  imageLength,
  type SpgConfig,
  type ViewConfig,
  viewSchema,
} from '../views/config.ts';
export type { FrameRow } from '../views/frames.ts';
export type { FrameSource } from '../views/image.ts';
export { ImageLoader, type LoaderOptions } from '../views/image-loader.ts';
export {
  type ClipBatch,
  ClipLoader,
  type ClipLoaderOptions,
  type ClipRequest,
  type ClipStream,
  type FrameBatch,
  FrameLoader,
  type FrameLoaderOptions,
  type FrameRequest,
} from '../views/loaders.ts';
export { drawMixing, type Mixing, mixImages } from '../views/mixup.ts';
export { fillPairImages } from '../views/pairs.ts';
export { fillWholeView } from '../views/whole.ts';
export type { ClipPart } from '../views/work.ts';
