/** What a pretraining by several processes needs beside what every run needs: parts of a batch. */
import { usageError } from '../base/errors.ts';
import type { Ranks } from '../engine/ranks/communicator.ts';
import type { OpenMethod } from '../methods/method.ts';
import type { BatchSchedule } from '../trainer/methods/batch-schedule.ts';

/** Every rank has as many rows of a batch as every other. Error: `RANKS_BATCH`. */
export function requireDivisible({
  ranks: { size },
  batchSchedule,
  opened,
}: {
  readonly ranks: Pick<Ranks, 'size'>;
  readonly batchSchedule: Pick<BatchSchedule, 'sizes'>;
  readonly opened: { readonly open: Pick<OpenMethod, 'streams'> };
}): void {
  const [full = 0, ...shorter] = batchSchedule.sizes;
  const more = opened.open.streams.slice(1).map(({ count }) => count);
  const uneven = [full, ...more, ...shorter].find((count) => count % size !== 0);
  if (uneven === undefined) return;
  const isShort = uneven === shorter.find((count) => count % size !== 0) && full % size === 0;
  throw usageError(
    'RANKS_BATCH',
    isShort
      ? `The last batches of an epoch have ${uneven} clips, which ${size} processes cannot share evenly.`
      : `A batch of ${uneven} clips cannot be shared evenly by ${size} processes.`,
    isShort
      ? 'Leave them out (batch.lastBatch=drop), choose another batch.size, or start another number of processes.'
      : `Choose a batch.size that is a multiple of ${size}, or start another number of processes.`,
    { where: isShort ? 'key batch.lastBatch' : 'key batch.size' },
  );
}
