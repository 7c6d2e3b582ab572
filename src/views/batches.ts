/**
 * The clips in each batch of an epoch: a seeded permutation, cut into batches. Each clip occurs at most once an
 * epoch. Optionally no two clips of one group (patient) share a batch, and all clips of a batch are of one source. The number and the sizes of the batches
 * depend on the clips and the configuration, never on the epoch.
 */
import { groupBy } from '../base/collect.ts';
import { dataError, type UsclError } from '../base/errors.ts';
import { randomAt, type Random } from '../base/random.ts';
import type { BatchConfig } from './config.ts';

/** What batches ask of a clip: its patient, and a number of the dataset that it was merged from (without: one for all). */
export interface BatchedClip {
  readonly group: string;
  readonly origin?: number;
}

/**
 * Batches of epoch `epoch` as indices into `clips`, full batches first; with `oneSource`, where each source has its own
 * batches, in random order.
 *
 * `lastBatch: 'keep'` keeps what does not fill a batch as shorter batches, `'drop'` leaves those clips out. A batch
 * of one clip is always left out: its pair would have no negatives. With `distinctGroups` there are as many full
 * batches as the groups allow, and the rest is spread evenly over as few shorter batches as possible (a group of k
 * clips needs k batches).
 *
 * Errors: `BATCHES_EMPTY` when no batch can be made.
 */
export function epochBatches(
  clips: readonly BatchedClip[],
  config: BatchConfig,
  seed: number,
  epoch: number,
): readonly (readonly number[])[] {
  const random = randomAt(seed, 'batches', epoch);
  const order = random.shuffled(clips.map((_, index) => index));
  const batched = (some: readonly number[]): number[][] =>
    config.distinctGroups ? apart(clips, some, config.size, random) : cut(some, config.size);
  const batches = config.oneSource
    ? random.shuffled([...groupBy(order, (index) => clips[index]!.origin ?? 0).values()].flatMap(batched))
    : batched(order);
  const smallest = config.lastBatch === 'drop' ? config.size : 2;
  const kept = batches.filter((batch) => batch.length >= smallest);
  if (kept.length === 0) throw nothing(clips, config);
  return kept;
}

function cut(order: readonly number[], pairs: number): number[][] {
  const batches: number[][] = [];
  for (let start = 0; start < order.length; start += pairs) batches.push(order.slice(start, start + pairs));
  return batches;
}

/**
 * Batches without two clips of a group. The sizes are the largest that Gale and Ryser's theorem allows (f full batches
 * of B exist if and only if Σ over groups of min(clips, f) ≥ f·B). Filling the batches in turn from the groups with
 * most clips left reaches them; exchanges between random batches then take away the order that this leaves.
 */
function apart(
  clips: readonly BatchedClip[],
  order: readonly number[],
  pairs: number,
  random: Random,
): number[][] {
  const left = [...groupBy(order, (index) => clips[index]!.group).values()];
  const batches = sizesApart(
    left.map((members) => members.length),
    pairs,
  ).map((size) => {
    // `sort` is stable: among equals the random order of the map stays.
    left.sort((a, b) => b.length - a.length);
    return left.slice(0, size).map((members) => members.pop()!);
  });
  exchange(clips, batches, 20 * order.length, random);
  return batches;
}

/** Sizes of the batches, full ones first, for groups with these numbers of clips. */
function sizesApart(counts: readonly number[], pairs: number): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const longest = counts.reduce((most, count) => Math.max(most, count), 0);
  const reach = (batches: number): number => counts.reduce((sum, count) => sum + Math.min(count, batches), 0);
  let full = 0;
  while ((full + 1) * pairs <= reach(full + 1)) full++;
  const rest = total - full * pairs;
  const short = Math.max(Math.ceil(rest / pairs), longest - full);
  return [
    ...Array.from({ length: full }, () => pairs),
    ...Array.from({ length: short }, (_, i) => Math.floor(rest / short) + (i < rest % short ? 1 : 0)),
  ];
}

/** Swaps random clips of random batches wherever both batches stay without two clips of a group. */
function exchange(
  clips: readonly BatchedClip[],
  batches: readonly number[][],
  attempts: number,
  random: Random,
): void {
  if (batches.length < 2) return;
  const present = batches.map((batch) => new Set(batch.map((index) => clips[index]!.group)));
  for (let attempt = 0; attempt < attempts; attempt++) {
    const a = random.integer(batches.length);
    const b = random.integer(batches.length);
    const i = random.integer(batches[a]!.length);
    const j = random.integer(batches[b]!.length);
    const mine = batches[a]![i]!;
    const yours = batches[b]![j]!;
    const myGroup = clips[mine]!.group;
    const yourGroup = clips[yours]!.group;
    if (a === b) continue;
    if (myGroup !== yourGroup && (present[a]!.has(yourGroup) || present[b]!.has(myGroup))) continue;
    batches[a]![i] = yours;
    batches[b]![j] = mine;
    present[a]!.delete(myGroup);
    present[b]!.delete(yourGroup);
    present[a]!.add(yourGroup);
    present[b]!.add(myGroup);
  }
}

function nothing(clips: readonly BatchedClip[], config: BatchConfig): UsclError {
  const groups = new Set(clips.map((clip) => clip.group)).size;
  const have = config.distinctGroups ? `${groups} groups` : `${clips.length} clips`;
  const need = config.lastBatch === 'drop' ? config.size : 2;
  return dataError(
    'BATCHES_EMPTY',
    `No batch can be made of ${have}: a batch needs ${need}.`,
    config.lastBatch === 'drop'
      ? 'Use a smaller batch.size, batch.lastBatch=keep, or more clips.'
      : 'Contrast needs two clips (of two groups with distinctGroups); add clips.',
    { where: 'batch' },
  );
}
