/**
 * The quick score that pretraining watches: nearest neighbours over whole clips, each tested with its own group
 * left out. No fit, no folds, no seed; a few milliseconds for some hundred clips.
 */
import { UsclError } from '../base/errors.ts';
import { labelIndices, type LabelledClip } from './clips.ts';
import { clipMeans, requireEmbeddings, type ClipEmbeddings } from './embeddings.ts';
import { largestAt, requireKnnOptions, requireNeighbours, vote } from './knn.ts';
import { columnStatistics, normaliseRows, standardise, takeRows, timesTransposed } from './matrix.ts';
import { confusionMatrix, scoresOfConfusion, type Scores } from './metrics.ts';

export interface KnnScore extends Scores {
  readonly clips: number;
  /** Clips left out for want of a label. */
  readonly unlabelledClips: number;
}

export interface KnnScoreOptions {
  /** Default 10. */
  readonly k?: number;
  /** Temperature of the votes; null for equal votes. Default null. */
  readonly temperature?: number | null;
}

/**
 * Scores clips by the k labelled clips of other groups whose mean features are nearest by cosine. Features are
 * standardised over all labelled clips beforehand (no label enters that).
 * @throws UsclError `KNN_TOO_FEW` when the clips outside some group number less than k, `METRIC_INPUT` when no
 *   clip has a label, `LABEL_UNKNOWN`, and those of `requireEmbeddings`.
 */
export function knnScore(
  embeddings: ClipEmbeddings,
  clips: readonly LabelledClip[],
  classes: readonly string[],
  options: KnnScoreOptions = {},
): KnnScore {
  const { k = 10, temperature = null } = options;
  requireKnnOptions(k, temperature);
  requireEmbeddings(embeddings, clips);
  const labels = labelIndices(clips, classes);
  const withRows = new Set(embeddings.clip);
  const kept = [...labels.keys()].filter((i) => labels[i]! >= 0);
  for (const i of kept) {
    if (withRows.has(i)) continue;
    throw new UsclError({
      kind: 'data',
      code: 'EMBEDDINGS_INVALID',
      message: 'A labelled clip has no features.',
      where: `clip ${clips[i]!.id}`,
      remedy: 'Embed the same dataset again and pass its clips unchanged.',
    });
  }
  const { dim } = embeddings;
  const means = takeRows(clipMeans(embeddings, clips.length), dim, kept);
  const x = normaliseRows(standardise(means, dim, columnStatistics(means, dim)), dim);
  const truth = kept.map((i) => labels[i]!);
  const groups = kept.map((i) => clips[i]!.group);
  const similarities = new Float64Array(kept.length);
  const votes = new Float64Array(classes.length);
  const predicted = kept.map((_, row) => {
    timesTransposed(x, x, dim, row, row + 1, similarities);
    let others = 0;
    for (let j = 0; j < kept.length; j++) {
      if (groups[j] === groups[row]) similarities[j] = -Infinity;
      else others++;
    }
    requireNeighbours(others, k, 'clips');
    votes.fill(0);
    vote(similarities, truth, k, temperature, votes, 0, classes.length);
    return largestAt(votes, 0, classes.length);
  });
  const scores = scoresOfConfusion(confusionMatrix(truth, predicted, classes.length), classes.length);
  return { ...scores, clips: kept.length, unlabelledClips: clips.length - kept.length };
}
