/** Exact resume on the vendor's kernels: new plans, new buffers and a new process must not change a bit. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLog } from '../../src/training/log.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../training/support.ts';

const scratch = scratchFolder();

test.each(['f32', 'bf16'])(
  'a run on oneDNN (%s), stopped twice and resumed, ends in the same bits',
  { timeout: 300_000 },
  async (precision) => {
    const dataset = await tinyDataset(join(scratch, `dataset-${precision}`), { size: 32 });
    // Filters in sixteens, as the kernels' layouts have them; a short last batch has a plan of its own.
    const set = ['backend=onednn', `precision=${precision}`, 'threads=2', 'view.size=32', 'model.width=16'];
    const whole = join(scratch, `whole-${precision}`);
    await tinyRun(dataset, whole, set);
    const parted = join(scratch, `parted-${precision}`);
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
      expect(readFileSync(join(parted, 'checkpoints', `${name}.safetensors`))).toEqual(
        readFileSync(join(whole, 'checkpoints', `${name}.safetensors`)),
      );
  },
);
