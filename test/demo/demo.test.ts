/** The demonstration goes the whole way and ends in a page. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { demo, DEMO_PARTS, type DemoOptions } from '../../src/demo/demo.ts';
import { scratchFolder, TINY } from '../pretrain/support.ts';

const scratch = scratchFolder();

const SMALL: DemoOptions = {
  clips: 48,
  set: [
    ...TINY.filter((one) => !one.startsWith('training')),
    ...['backend=auto', 'training.epochs=1', 'evaluation.every=9'],
  ],
  finetune: {
    precision: 'f32',
    training: { epochs: 1 },
    folds: 2,
    view: { size: 16 },
    loader: { workers: 0 },
  },
};

test(
  'a demonstration goes the whole way, on other patients than it trained on',
  { timeout: 400_000 },
  async () => {
    const out = join(scratch, 'demo');
    const stages = new Set<string>();
    const made = await demo({
      ...SMALL,
      out,
      onProgress: (stage) => {
        stages.add(stage);
      },
    });
    expect(made.run.complete).toBe(true);
    expect(made.probe?.overlap).toEqual({ seen: 0, labelsSeen: 0 });
    expect(made.clipAccuracy?.pretrained).toBeGreaterThan(0);
    expect([...stages]).toEqual(['simulate', 'probe', 'finetune', 'explain', 'report']);
    expect(readdirSync(out).sort()).toEqual(Object.values(DEMO_PARTS).sort());
    expect(made.report).toBe(join(out, 'report.html'));
    const page = readFileSync(made.report!, 'utf8');
    for (const part of [
      'What the features are worth',
      'Map of embeddings',
      'Grad-CAM',
      'Worst mistakes',
      'Training',
    ])
      expect(page, part).toContain(part);
  },
);

test('a demonstration that is stopped half-way leaves no page and says why', async () => {
  const controller = new AbortController();
  const stopped = demo({
    ...SMALL,
    out: join(scratch, 'stopped'),
    signal: controller.signal,
    onProgress: (stage) => {
      if (stage === 'finetune') controller.abort(new Error('enough'));
    },
  });
  await expect(stopped).rejects.toThrow('enough');
  expect(readdirSync(join(scratch, 'stopped'))).not.toContain('report.html');
});
