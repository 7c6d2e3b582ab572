/** Images a second that the loader makes of simulated clips at 224 px, with one worker and with one a processor. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { openDataset, resolveConfig } from '../../src/index.ts';
import { ClipLoader, type ClipRequest, epochBatches } from '../../src/exports/data.ts';
import type { At } from './part.ts';

export async function loaderSpeed(at: At): Promise<unknown> {
  const folder = join(at.scratch, 'clips');
  const seconds = at.rehearse ? 1 : 15;
  const measured = [];
  for (const workers of new Set([1, Math.max(1, availableParallelism() - 1)]))
    for (const preset of ['uscl', 'us']) {
      const rate = await imagesPerSecond(folder, preset, workers, seconds);
      at.tell(
        `- preset \`${preset}\`, ${workers} worker(s): ${rate.toFixed(0)} images/s, ${(rate / workers).toFixed(0)} a worker`,
      );
      measured.push({ preset, workers, imagesPerSecond: rate });
    }
  return measured;
}

async function imagesPerSecond(
  folder: string,
  preset: string,
  workers: number,
  seconds: number,
): Promise<number> {
  const { view, batch, seed } = resolveConfig({
    set: [`view.augment.preset=${preset}`, 'view.size=224', 'batch.size=8', 'batch.lastBatch=drop'],
  });
  using dataset = openDataset(folder);
  const inEpoch = epochBatches(dataset.clips, batch, seed, 0).length;
  const schedule = (number: number): ClipRequest => {
    const [epoch, index] = [Math.floor(number / inEpoch), number % inEpoch];
    return {
      epoch,
      index,
      parts: [{ epoch, clips: epochBatches(dataset.clips, batch, seed, epoch)[index]! }],
    };
  };
  await using loader = ClipLoader.open(folder, view, {
    ...{ seed, schedule, workers, ahead: 2 * workers },
    streams: [{ views: 'pair', most: batch.size }],
  });
  // Threads have started and their code is compiled.
  for (let i = 0; i < 4 * workers; i++) await loader.next();
  const begun = performance.now();
  let images = 0;
  while (performance.now() - begun < 1000 * seconds) {
    await loader.next();
    images += 2 * batch.size;
  }
  return (1000 * images) / (performance.now() - begun);
}
