/** Ways in which tested clips can have been seen before, in words, and the refusal to score them. */
import { dataError, type UsclError } from '../base/errors.ts';
import { leaksBetween } from '../dataset/splits.ts';
import type { ClipRecord } from '../dataset/types.ts';
import type { OverlapFound } from './provenance.ts';

/** Leaks across the sides of the split `name` (−1: in none), the first five and how many more. */
export function splitLeaks(clips: readonly ClipRecord[], sides: Int32Array, name: string): readonly string[] {
  const found = leaksBetween(clips, sides);
  const leaks = found.slice(0, 5).map(({ a, b, reason, distance }) => {
    const [one, other] = [clips[a]!, clips[b]!];
    const bits = distance === null ? '' : ` (${distance} bits apart)`;
    return `split ${name}: ${one.id} and ${other.id} are on different sides and have the ${reason}${bits}`;
  });
  if (found.length > leaks.length)
    leaks.push(`split ${name}: ${found.length - leaks.length} more such pairs`);
  return leaks;
}

/** The labels of tested clips that were given in training, as a leak in words; none where there are none. */
export function labelLeaks(
  overlap: OverlapFound | null,
  said = (count: number) => `pretraining was given the labels of ${count} of the tested clips`,
): readonly string[] {
  if (overlap === null || overlap.labelsSeen === 0) return [];
  const some = overlap.labelled.slice(0, 3).join(', ');
  const more = overlap.labelled.length > 3 ? ', …' : '';
  return [`${said(overlap.labelsSeen)} (${some}${more})`];
}

/** `LEAK`: scores that would be no test of generalisation. */
export function leakError(leaks: readonly string[], folder: string, remedy = OTHER_PATIENTS): UsclError {
  const message = `These scores would be no test of generalisation: ${leaks.join('; ')}.`;
  return dataError('LEAK', message, remedy, { where: folder });
}

const OTHER_PATIENTS =
  'Test on clips of other patients: another dataset, or the test part of a split (uscl split DATASET --test 0.2 ' +
  '--name main; uscl pretrain … --set data.split=main; uscl probe or finetune … --split main). Or pretrain without labels ' +
  '(objective.supervisedWeight=0), or say --allow-leaks.';
