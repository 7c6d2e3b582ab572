/**
 * The rows of a batch that are a rank's, and the rows of all ranks as one batch. Of each view the rank-th of equal consecutive
 * parts is a rank's own, so that its clips are the same in every view.
 */
import type { Ranks } from '../../engine/ranks/communicator.ts';
import type { ViewRows } from '../../methods/method.ts';
import type { ClipPart } from '../../views/work.ts';

/** A rank of so many. */
export type RankPlace = Pick<Ranks, 'rank' | 'size'>;

/** Where a rank's part of so many rows begins and ends. The number of ranks divides them. */
export function partOf(count: number, { rank, size }: RankPlace): readonly [from: number, to: number] {
  const each = count / size;
  if (!Number.isInteger(each)) throw new RangeError(`${size} ranks do not divide ${count} rows.`);
  return [rank * each, (rank + 1) * each];
}

/** The rank's rows of each view. */
export function viewsOfRank(views: readonly ViewRows[], place: RankPlace): readonly ViewRows[] {
  if (place.size === 1) return views;
  return views.map(({ clips, labels, groups, sources, times }) => {
    const [from, to] = partOf(clips.length, place);
    return {
      clips: clips.slice(from, to),
      labels: labels.subarray(from, to),
      groups: groups.subarray(from, to),
      sources: sources.subarray(from, to),
      times: times.subarray(from, to),
    };
  });
}

/** The rank's clips of each stream. */
export function partsOfRank(parts: readonly ClipPart[], place: RankPlace): readonly ClipPart[] {
  if (place.size === 1) return parts;
  return parts.map(({ epoch, clips, partners }) => {
    const [from, to] = partOf(clips.length, place);
    const own = { epoch, clips: clips.slice(from, to) };
    return partners === undefined ? own : { ...own, partners: partners.slice(from, to) };
  });
}

/**
 * The numbers of all ranks, of each view those of rank 0, then of rank 1, …. `own` has `lengths` numbers of each view, one view
 * after the other. One rank alone gets its own array.
 */
export function ofAllRanks(ranks: Ranks, own: Float32Array, lengths: readonly number[]): Float32Array {
  if (ranks.size === 1) return own;
  const gathered = ranks.gather(own);
  const all = new Float32Array(gathered.length);
  eachPart(ranks.size, lengths, (rank, inOwn, inAll, length) => {
    const from = rank * own.length + inOwn;
    all.set(gathered.subarray(from, from + length), inAll);
  });
  return all;
}

/** Copies a rank's own numbers out of those of all: the way back of `ofAllRanks`. */
export function ownOfAll(
  { rank: mine, size }: RankPlace,
  all: Float32Array,
  own: Float32Array,
  lengths: readonly number[],
): void {
  if (all === own) return;
  eachPart(size, lengths, (rank, inOwn, inAll, length) => {
    if (rank === mine) own.set(all.subarray(inAll, inAll + length), inOwn);
  });
}

/** Visits the part of every rank in every view: where it lies among the rank's own numbers, and among those of all. */
function eachPart(
  size: number,
  lengths: readonly number[],
  visit: (rank: number, inOwn: number, inAll: number, length: number) => void,
): void {
  let inOwn = 0;
  for (const length of lengths) {
    for (let rank = 0; rank < size; rank++) visit(rank, inOwn, size * inOwn + rank * length, length);
    inOwn += length;
  }
}
