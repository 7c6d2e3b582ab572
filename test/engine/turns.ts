/**
 * Several processes in one, without threads: each runs in turn up to the first meeting that another one has not come to yet, and
 * starts anew when all have. So what they compute must depend on nothing but what they are given.
 */
import type { NormRanks } from '../../src/engine/core/backend.ts';

/** One of the processes. */
export interface TurnRanks extends NormRanks {
  readonly rank: number;
}

class Waiting extends Error {}

/** What each process computes, and how many numbers it sent at each meeting. */
export interface Turns<Result> {
  readonly results: readonly Result[];
  readonly sent: readonly number[];
}

/** Runs `body` as each of `size` processes. Error: where they do not all come to the same meetings with the same. */
export function inTurns<Result>(size: number, body: (ranks: TurnRanks) => Result): Turns<Result> {
  const meetings: (Float32Array | undefined)[][] = [];
  for (;;) {
    const before = meetings.flat().filter((part) => part !== undefined).length;
    const results: Result[] = [];
    for (let rank = 0; rank < size; rank++) {
      let meeting = 0;
      const gather = (part: Float32Array): Float32Array => {
        const parts = (meetings[meeting++] ??= Array.from({ length: size }));
        const known = parts[rank];
        if (known?.some((value, i) => !Object.is(value, part[i])) === true)
          throw new Error(`rank ${rank} came to meeting ${meeting} with something else than before`);
        if (parts.some((other) => other !== undefined && other.length !== part.length))
          throw new Error(`not all came to meeting ${meeting} with ${part.length} numbers`);
        parts[rank] = part.slice();
        const all = parts.filter((one) => one !== undefined);
        if (all.length < size) throw new Waiting();
        return Float32Array.from(all.flatMap((one) => [...one]));
      };
      try {
        results.push(body({ rank, size, gather }));
      } catch (thrown) {
        if (!(thrown instanceof Waiting)) throw thrown;
      }
    }
    if (results.length === size) return { results, sent: meetings.map(([part]) => part!.length) };
    if (meetings.flat().filter((part) => part !== undefined).length === before)
      throw new Error('a rank waits in vain');
  }
}
