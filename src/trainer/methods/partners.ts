/**
 * Partners: another clip of a clip's group (patient), which gives a pair its second view. Who is whose partner is a function
 * of seed, epoch and clip.
 */
import { groupBy } from '../../base/collect.ts';
import { randomAt } from '../../base/random.ts';
import type { ClipRecord } from '../../dataset/types.ts';
import type { Stream } from '../../methods/method.ts';
import { clipsInTraining, type Split } from '../../runs/training-clips.ts';

/** All clips that a stream may show in some epoch. */
export function streamClips({ clips }: Pick<Stream, 'clips'>, split: Split): readonly number[] {
  const all = [...clipsInTraining(split)];
  return clips === 'training' ? all : all.filter((clip) => split.labels[clip]! >= 0);
}

/**
 * Partners of clips in an epoch, one a clip: with the stream's probability another clip of the group among those that the
 * stream may show, each as likely as any other; else, and where there is none, the clip itself. Undefined for a stream
 * without partners.
 */
export function drawPartners(
  stream: Stream,
  split: Split,
  clips: readonly Pick<ClipRecord, 'id' | 'group'>[],
  seed: number,
): ((chosen: readonly number[], epoch: number) => readonly number[]) | undefined {
  const { partners: probability = 0 } = stream;
  if (probability === 0) return undefined;
  const groupOf = (clip: number): string => clips[clip]!.group;
  const members = groupBy(streamClips(stream, split), groupOf);
  return (chosen, epoch) =>
    chosen.map((clip) => {
      const others = (members.get(groupOf(clip)) ?? []).filter((other) => other !== clip);
      const random = randomAt(seed, 'partner', epoch, clips[clip]!.id);
      if (others.length === 0 || random.uniform() >= probability) return clip;
      return others[random.integer(others.length)]!;
    });
}
