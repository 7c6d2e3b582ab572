/**
 * How features and answers are judged: embeddings, probes, scores with intervals, comparisons, explanations, and the
 * forms of the files that hold them. Computes from what it is given; opens no run.
 *
 * @module uscl/evaluation
 */

// Features and probes.
export {
  type ClipEmbeddings,
  embedDataset,
  type Embedder,
  type EmbeddingSource,
  type EmbedOptions,
} from '../evaluation/features/embeddings.ts';
export { type Products, productsOn } from '../evaluation/features/products.ts';
export { type KnnScore, knnScore, type KnnScoreOptions } from '../evaluation/probes/knn-score.ts';
export {
  type ProbeComparison,
  probeComparisonSchema,
  type ProbeResult,
  type ProbeSettings,
  probeResultSchema,
} from '../evaluation/probes/probe-result.ts';
export { compareProbes, probe, type ProbeInput } from '../evaluation/probes/probe.ts';

// Predictions and their scores.
export { type EvaluateOptions, evaluatePredictions } from '../evaluation/scores/evaluate-predictions.ts';
export { type Evaluation, evaluationSchema } from '../evaluation/scores/evaluation-result.ts';
export { type Predictions, readPredictions, writePredictions } from '../evaluation/scores/predictions.ts';
export { filePredictionsSchema } from '../predict/answers.ts';
export type { FailedFile, FilePrediction, FilePredictions, PredictionsHead } from '../predict/answers.ts';
export type { PredictVisitor } from '../predict/predict.ts';
export type { ModelIdentity, ModelUse } from '../trainer/opened-model.ts';

// Comparisons.
export { type CompareOptions, comparePredictions } from '../evaluation/comparisons/compare-predictions.ts';
export { type Comparison, comparisonSchema } from '../evaluation/comparisons/comparison-result.ts';
export type { Overlap } from '../runs/provenance.ts';
export type { Identifying, IdentifyingKind } from '../dataset/identifying.ts';
export type { ReportOptions, ReportSummary } from '../report/report.ts';

// Explanations.
export type { CamOptions, MapOptions, NeighboursOptions } from '../explain/options.ts';
export type { FileOptions } from '../explain/opened-data.ts';
export {
  embeddingMap,
  type EmbeddingMap,
  type EmbeddingMapOptions,
} from '../evaluation/explanations/embedding-map.ts';
export {
  type Explanation,
  explanationSchema,
  readExplanation,
} from '../evaluation/explanations/explanation.ts';
export {
  type CamImage,
  CamPlan,
  type CamPlanOptions,
  gradCam,
  type Grid,
  type InsideShare,
  type MapShape,
  insideShare,
  resizeMap,
} from '../evaluation/explanations/grad-cam.ts';
export { overlayHeat } from '../evaluation/explanations/heat-colours.ts';
export {
  comparableRows,
  nearestClips,
  type Neighbour,
  type NeighbourOptions,
} from '../evaluation/explanations/retrieval.ts';
