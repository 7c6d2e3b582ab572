/**
 * The quick score that pretraining watches: nearest neighbours over whole clips, each tested with its own group
 * left out. No fit, no folds, no seed; a few milliseconds for some hundred clips.
 */
import type { LabelledClip } from '../../dataset/types.ts';
import { labelledClips } from '../features/clips.ts';
import { clipMeans, type ClipEmbeddings } from '../features/embeddings.ts';
import { largestAt } from '../features/matrix.ts';
import { requireKnnOptions, requireNeighbours, vote } from './knn.ts';
import { takeRows, timesTransposed } from '../features/matrix.ts';
import { confusionMatrix, scoresOfConfusion, type Scores } from '../scores/metrics.ts';
import type { ProbeSettings } from './probe-result.ts';
import { comparableRows } from '../explanations/retrieval.ts';

/** Scores of clips, each read from its nearest neighbours of other groups. */
export interface KnnScore extends Scores {
  readonly clips: number;
  /** Clips left out for want of a label. */
  readonly unlabelledClips: number;
}

/** Default 10 neighbours with equal votes. */
export type KnnScoreOptions = Partial<Pick<ProbeSettings, 'k' | 'temperature'>>;

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
  const { kept, labels } = labelledClips(embeddings, clips, classes);
  const { dim } = embeddings;
  const means = takeRows(clipMeans(embeddings, clips.length), dim, kept);
  const x = comparableRows(means, dim);
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
    vote(similarities, labels, k, temperature, votes, 0, classes.length);
    return largestAt(votes, 0, classes.length);
  });
  const scores = scoresOfConfusion(confusionMatrix(labels, predicted, classes.length), classes.length);
  return { ...scores, clips: kept.length, unlabelledClips: clips.length - kept.length };
}
