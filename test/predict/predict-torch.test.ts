/**
 * The numbers of a frame from the command's library against a script that shares no code with this project: it reads
 * weights and dataset by hand and runs the network in PyTorch. Skipped where PyTorch, numpy or Pillow is missing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ingest } from '../../src/ingest/ingest.ts';
import { predictFiles } from '../../src/predict/predict.ts';
import { makeVideo } from '../ingest/media.ts';
import { type ModelSpec, writeModel } from '../finetune/finetuned.ts';
import { scratchFolder } from '../pretrain/support.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = join(import.meta.dirname, '..', 'golden', 'predict_frame.py');
const hasTorch = spawnSync(PYTHON, ['-c', 'import torch, numpy, PIL']).status === 0;
const scratch = scratchFolder();

const answerSchema = z.object({
  frame: z.int(),
  classes: z.array(z.string()),
  probabilities: z.array(z.number()),
});

describe.skipIf(!hasTorch)(
  'a hand-written PyTorch script (skipped where PyTorch or Pillow is missing)',
  () => {
    test.each<[string, ModelSpec, 1 | 3]>([
      ['ResNet-50, colour', { view: { size: 48, channels: 3 }, backbone: 'resnet50' }, 3],
      ['ResNet-18, colour frames in grey', { view: { size: 48 } }, 3],
    ])('says the same of a frame: %s', async (name, spec, channels) => {
      const folder = join(scratch, name);
      mkdirSync(folder);
      const video = join(folder, 'clip.mp4');
      makeVideo(video, { fps: 10, seconds: 1, size: '96x80' });
      const dataset = join(folder, 'set');
      await ingest({ source: video, out: dataset, size: 72, channels });
      const classes = ['b-lines', 'none', 'unclear', 'é'];
      const model = writeModel(folder, { ...spec, classes, width: 8, sharpness: 0.2 });
      const { clips } = await predictFiles(model, [video], {
        ...{ backend: 'reference', precision: 'f32', size: 72, channels, abstainBelow: 0 },
      });
      const said = clips[0]!.frames;
      expect(said).toHaveLength(5);
      const output = execFileSync(PYTHON, [SCRIPT, model, dataset, 'clip.mp4', '0', '3'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const theirs = output
        .trim()
        .split('\n')
        .map((line) => answerSchema.parse(JSON.parse(line)));
      expect(theirs.map(({ frame }) => frame)).toEqual([0, 3]);
      for (const { frame, classes: names, probabilities } of theirs) {
        expect(names).toEqual(classes);
        const worst = Math.max(...probabilities.map((p, c) => Math.abs(p - said[frame]!.probabilities[c]!)));
        expect(worst, probabilities.join(' ')).toBeLessThan(1e-4);
      }
      // The frames differ by more than that, so the right one was compared.
      const apart = said[0]!.probabilities.map((p, c) => Math.abs(p - said[3]!.probabilities[c]!));
      expect(Math.max(...apart)).toBeGreaterThan(1e-3);
    });
  },
);
