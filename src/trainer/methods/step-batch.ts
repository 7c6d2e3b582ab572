/** A batch as a step of a method needs it: images, and what is known of the clip behind each of them. */
import type { ClipRecord } from '../../dataset/types.ts';
import type { ViewRows } from '../../methods/method.ts';
import { timesShown, viewCount } from '../../views/clip-views.ts';
import type { ViewConfig } from '../../views/config.ts';
import type { ClipPart } from '../../views/work.ts';
import type { OpenedMethod } from './open-method.ts';

/** A batch as the step needs it. */
export interface StepBatch {
  /** Names for messages, of all streams. */
  readonly clipIds: readonly string[];
  /** Clips of the first stream. */
  readonly pairs: number;
  /** Of the whole batch. */
  readonly views: readonly ViewRows[];
  /** [channels, size, size] each, normalised: view by view, each view's of its own size. Of several ranks each has its own rows. */
  readonly images: Float32Array;
  /** Of the batch in the run, from 0. */
  readonly number: number;
  /** Share of the run's steps that lie behind. */
  readonly progress: number;
}

/**
 * The views of a batch with these clips in each stream, in the order of the images, which `drawn` says how they came
 * about.
 */
export function viewsOf(
  { open: { streams }, facts }: Pick<OpenedMethod, 'open' | 'facts'>,
  parts: readonly ClipPart[],
  labels: Int32Array | null,
  drawn: { readonly clips: readonly ClipRecord[]; readonly view: ViewConfig; readonly seed: number },
): readonly ViewRows[] {
  const numbers = (of: Int32Array | null, clips: readonly number[]): Int32Array =>
    Int32Array.from(clips, (clip) => of?.[clip] ?? -1);
  const rowsOf = (clips: readonly number[]): Omit<ViewRows, 'times'> => ({
    clips,
    labels: numbers(labels, clips),
    groups: numbers(facts.groups, clips),
    sources: numbers(facts.sources, clips),
  });
  const record = (clip: number): ClipRecord => drawn.clips[clip]!;
  return parts.flatMap(({ clips, partners = clips, epoch }, i) => {
    const { views } = streams[i]!;
    const own = rowsOf(clips);
    const others = partners === clips ? own : rowsOf(partners);
    const at = { seed: drawn.seed, epoch };
    const times = clips.map((clip, row) =>
      timesShown(record(clip), record(partners[row]!), drawn.view, views, at),
    );
    return Array.from({ length: viewCount(views) }, (_, view) => ({
      ...(view === 0 ? own : others),
      times: Float64Array.from(times, (ofClip) => ofClip[view]!),
    }));
  });
}
