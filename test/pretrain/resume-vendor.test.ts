/** Exact resume on the vendor's kernels: new plans, new buffers and a new process must not change a bit. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLog } from '../../src/runs/log.ts';
import { VENDORS } from '../backend.ts';
import { scratchFolder, tinyDataset, tinyOn, tinyRun } from './support.ts';

const scratch = scratchFolder();

const bytesOf = (run: string, checkpoint: string): Buffer =>
  readFileSync(join(run, 'checkpoints', `${checkpoint}.safetensors`));

test.each(
  VENDORS.flatMap((vendor) => (['f32', 'bf16'] as const).map((precision) => [vendor, precision] as const)),
)('a run on %s (%s), stopped twice and resumed, ends in the same bits', async (vendor, precision) => {
  const dataset = await tinyDataset(join(scratch, `dataset-${vendor}-${precision}`), { size: 32 });
  // Three pairs a batch: a short last batch has a plan of its own.
  const set = [...tinyOn(vendor), `precision=${precision}`, 'batch.size=3'];
  const whole = join(scratch, `whole-${vendor}-${precision}`);
  await tinyRun(dataset, whole, set);
  const parted = join(scratch, `parted-${vendor}-${precision}`);
  for (const stopAfter of [2, 3, Infinity]) {
    const stop = new AbortController();
    let steps = 0;
    await tinyRun(dataset, parted, set, {
      resume: true,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'step' && ++steps === stopAfter) stop.abort();
      },
    });
  }
  const lossesOf = (run: string): unknown[] =>
    readLog(run).map((entry) => [entry.kind, entry.step, 'loss' in entry ? entry.loss : null]);
  expect(lossesOf(parted)).toEqual(lossesOf(whole));
  for (const name of ['last', 'best'])
    // `toEqual` walks large buffers element by element, which takes minutes.
    expect(bytesOf(parted, name).equals(bytesOf(whole, name))).toBe(true);
});
