/**
 * From a real fine-tuning run to files: what `uscl finetune` leaves is enough to predict and evaluate, read with the
 * settings of the dataset that it learned from, and it knows its own clips again.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ingest } from '../../src/ingest/ingest.ts';
import { evaluateRun } from '../../src/evaluate/evaluate.ts';
import { predictFiles } from '../../src/predict/predict.ts';
import { makeVideo } from '../ingest/media.ts';
import { tune } from '../finetune/support.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const videos = join(scratch, 'videos');
const others = join(scratch, 'others');
const run = join(scratch, 'run');
const SLOW = { backend: 'reference', precision: 'f32' } as const;
const INGEST = { size: 24, fps: 4, crop: 'none' } as const;

/** Videos of two kinds: stripes along or across, moving. */
async function source(folder: string, name: string, clips: number, offset: number): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const rows = ['clip,label,group'];
  for (let i = 0; i < clips; i++) {
    const axis = i % 2 === 0 ? 'X' : 'Y';
    const path = join(folder, `c${i}.avi`);
    const wave = `geq=lum='128+90*sin(${axis}/${2 + ((i + offset) % 5)}+${offset + i}+N/2)':cb=128:cr=128`;
    makeVideo(path, {
      ...{ source: 'color=gray', seconds: 1, fps: 8, size: '48x32' },
      options: ['-vf', `format=yuv420p,${wave}`, '-c:v', 'ffv1'],
    });
    rows.push(`c${i}.avi,${i % 2 === 0 ? 'a' : 'b'},g${Math.floor(i / 2)}`);
  }
  const labels = join(scratch, `${name}.csv`);
  writeFileSync(labels, `${rows.join('\n')}\n`);
  const out = join(scratch, name);
  await ingest({ source: folder, out, labels, ...INGEST });
  return out;
}

beforeAll(async () => {
  const learned = await source(videos, 'learned', 8, 0);
  await source(others, 'unseen', 4, 17);
  await tune('random', learned, run, ['training.epochs=2']);
}, 120_000);

describe('a fine-tuning run', () => {
  test('reads files as its dataset was ingested, and says of a new clip what an evaluation says', async () => {
    const { clips, reading } = await predictFiles(
      run,
      [join(others, 'c0.avi'), join(others, 'c3.avi')],
      SLOW,
    );
    expect(reading).toEqual({ ...INGEST, channels: 1, frames: 'all' });
    const { predictions, result } = await evaluateRun(run, join(scratch, 'unseen'), {
      ...SLOW,
      resamples: 100,
    });
    expect(result.overlap).toEqual({ seen: 0, labelsSeen: 0 });
    const rowOf = new Map(predictions.cells[0]!.rows.map((row) => [predictions.clips[row.clip]!.id, row]));
    for (const [i, id] of ['c0.avi', 'c3.avi'].entries()) {
      const { frames, probabilities } = rowOf.get(id)!;
      expect(clips[i]!.frames.map(({ frame }) => frame)).toEqual(frames);
      expect(clips[i]!.frames.map((frame) => frame.probabilities)).toEqual(probabilities);
    }
  });

  test('refuses to be evaluated on the clips that it learned', async () => {
    const error = await errorOf(() => evaluateRun(run, join(scratch, 'learned'), SLOW));
    expect(error.code).toBe('LEAK');
    expect(error.message).toContain('8 of these clips');
  });
});
