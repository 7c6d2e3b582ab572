/** What is read off a file of weights: the architecture by the shapes of its tensors, the view where the file says it. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type NamedTensor, writeSafetensors } from '../../src/formats/safetensors.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { readBackbone } from '../../src/trainer/backbone.ts';
import { failureOf } from '../failures.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
let count = 0;

/** A file with tensors of these names and shapes. */
function fileOf(
  shapes: Readonly<Record<string, readonly number[]>>,
  made: (length: number) => NamedTensor['data'] = (length) => new Float32Array(length),
): string {
  const path = join(scratch, `weights${++count}.safetensors`);
  writeSafetensors(
    path,
    Object.entries(shapes).map(([name, shape]) => {
      return { name, shape, data: made(shape.reduce((product, side) => product * side, 1)) };
    }),
  );
  return path;
}

describe('a file of another program', () => {
  const first = (width: number, channels: number) => ({ 'conv1.weight': [width, channels, 7, 7] });
  const BOTTLENECK = { 'layer1.0.conv3.weight': [4, 1, 1, 1] };
  const DEEP = { 'layer3.5.conv1.weight': [4, 4, 3, 3] };

  test.each([
    [{ ...first(64, 3) }, 'resnet18', 64, 3],
    [{ ...first(8, 1), ...DEEP }, 'resnet34', 8, 1],
    [{ ...first(16, 3), ...DEEP, ...BOTTLENECK }, 'resnet50', 16, 3],
  ])('is a ResNet by its tensors: %j', async (shapes, backbone, width, channels) => {
    const { config, checkpoint } = await readBackbone(fileOf(shapes));
    expect(config).toEqual(resolveConfig({ overrides: { model: { backbone, width }, view: { channels } } }));
    expect(checkpoint).toBeNull();
  });

  test('is refused where its tensors are of no such network, or no floating-point numbers', async () => {
    const integers = (length: number): Int32Array => new Int32Array(length);
    for (const path of [
      fileOf(first(8, 2)),
      fileOf(first(8, 4)),
      fileOf({ ...first(8, 3), ...BOTTLENECK }),
      fileOf(DEEP),
      fileOf(first(8, 1), integers),
    ])
      expect(await failureOf(readBackbone(path))).toMatchObject({ code: 'WEIGHTS_UNKNOWN', where: path });
  });
});

describe('a checkpoint away from its run', () => {
  test('says its architecture by itself; of the view what it knows', async () => {
    const [dataset, run] = [join(scratch, 'clips'), join(scratch, 'run')];
    await tinyDataset(dataset);
    await tinyRun(dataset, run, ['training.epochs=1', 'seed=5']);
    const last = join(run, 'checkpoints', 'last.safetensors');
    expect((await readBackbone(last)).config.seed).toBe(5);
    const alone = join(scratch, 'alone.safetensors');
    copyFileSync(last, alone);
    const { config, checkpoint } = await readBackbone(alone);
    const overrides = { model: { backbone: 'resnet18', width: 2 }, view: { channels: 1, size: 16 } } as const;
    expect(config).toEqual(resolveConfig({ overrides }));
    expect(checkpoint?.step).toBe(2);
  });

  test('of a fine-tuned model has the view that its images are made with', async () => {
    const view = { size: 24, channels: 3, normalise: { mean: [0.1, 0.2, 0.3], std: 0.4 } } as const;
    const { config } = await readBackbone(writeModel(scratch, { view }));
    expect(config.view).toMatchObject(view);
    expect(config.model.width).toBe(4);
  });
});
