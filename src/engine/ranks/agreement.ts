/** What ranks tell each other beside numbers of the training: whether they go on, and whether they hold the same. */
import { createHash } from 'node:crypto';
import type { Ranks } from './communicator.ts';

/** Whether the flag is up on any rank. All ranks ask together. */
export function anyOf(ranks: Ranks, flag: boolean): boolean {
  return flagsOf(ranks, flag ? 1 : 0).some((other) => other !== 0);
}

/** A small whole number of every rank, in the order of ranks. */
export function flagsOf(ranks: Ranks, flag: number): readonly number[] {
  return [...ranks.gather(Float32Array.of(flag))];
}

/** A text of every rank, in the order of ranks. All ranks ask together. */
export function textsOf(ranks: Ranks, text: string): readonly string[] {
  const own = new TextEncoder().encode(text);
  const lengths = flagsOf(ranks, own.length);
  const longest = Math.max(...lengths);
  if (longest === 0) return lengths.map(() => '');
  const padded = new Float32Array(longest);
  padded.set(own);
  const all = Uint8Array.from(ranks.gather(padded));
  return lengths.map((length, rank) =>
    new TextDecoder().decode(all.subarray(rank * longest, rank * longest + length)),
  );
}

/** Returns when all ranks have come here. */
export function barrier(ranks: Ranks): void {
  ranks.gather(new Float32Array(1));
}

/** The first rank whose bytes are not those of rank 0; null: all hold the same. All ranks get the same answer. */
export function firstOther(ranks: Ranks, content: string | Uint8Array): number | null {
  const digest = createHash('sha256').update(content).digest();
  const all = ranks.gather(Float32Array.from(digest));
  const isOther = (rank: number): boolean =>
    digest.some((_, byte) => all[rank * digest.length + byte] !== all[byte]);
  const found = Array.from({ length: ranks.size }, (_, rank) => rank).find(isOther);
  return found ?? null;
}

/**
 * How many ranks share what this text names, such as a machine and its processors; this one counts. All ranks ask together.
 */
export function sharersOf(ranks: Ranks, place: string): number {
  const digest = createHash('sha256').update(place).digest();
  const all = ranks.gather(Float32Array.from(digest));
  const isMine = (rank: number): boolean =>
    digest.every((value, byte) => all[rank * digest.length + byte] === value);
  return Array.from({ length: ranks.size }, (_, rank) => rank).filter(isMine).length;
}
