/** `--init`, `--normalise` and `--weights` as they are typed: they arrive, and a refusal says the way out. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { readRunConfig } from '../../src/runs/run-folder.ts';
import { makePhantom } from '../../src/phantom/phantom.ts';
import { scratchFolder, TINY, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, uscl } from './run.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
const golden = z
  .object({ checkpoints: z.array(z.object({ name: z.string(), base64: z.base64() })) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', 'golden', 'data', 'weights.json'), 'utf8')));

beforeAll(async () => {
  compileProgram();
  await tinyDataset(at('clips'));
  const { base64 } = golden.checkpoints.find(({ name }) => name === 'torchvision.pth')!;
  writeFileSync(at('torchvision.pth'), Buffer.from(base64, 'base64'));
}, 300_000);

const set = [...TINY, 'training.steps=1'].flatMap((one) => ['--set', one]);

test('pretrain starts from weights, normalised as is said, and tells what it took', async () => {
  const args = ['pretrain', 'clips', '--out', 'run', ...set, '--init', 'torchvision.pth'];
  const { code, stderr } = await uscl([...args, '--normalise', 'imagenet'], {}, scratch);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('note: The backbone starts from torchvision.pth: 100 tensors of a resnet18');
  expect(stderr).toContain('Not taken, because it is no part of it: fc.weight, fc.bias.');
  expect(readRunConfig(at('run'))).toMatchObject({
    init: 'torchvision.pth',
    view: {
      channels: 3,
      normalise: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    },
  });
  const grey = await uscl(
    [...args.with(3, 'grey'), '--normalise', 'imagenet', '--set', 'view.channels=1'],
    {},
    scratch,
  );
  expect(grey.code).toBe(2);
  expect(grey.stderr).toContain('Leave view.channels out');
});

test('a normalisation that is none is refused at its option', async () => {
  for (const normalise of ['nothing', '1,2,3', '0.5,0', '0.5,', ''])
    for (const args of [
      ['pretrain', 'clips', '--out', 'never', '--normalise', normalise],
      ['import', 'torchvision.pth', '--out', 'never', '--normalise', normalise],
    ]) {
      const { code, stderr } = await uscl(args, {}, scratch);
      expect([code, normalise]).toEqual([2, normalise]);
      expect(stderr).toContain(`The normalisation cannot be "${normalise}". [--normalise]`);
    }
});

test('import writes down terms and numbers', async () => {
  const args = ['import', 'torchvision.pth', '--out', 'own', '--licence', 'for research', '--citation', 'Me'];
  const { code, stderr } = await uscl([...args, '--normalise', '0.5,0.25'], {}, scratch);
  expect(code, stderr).toBe(0);
  const text = readFileSync(at('own')).toString('latin1');
  expect(text).toContain('for research');
  expect(text).toContain(String.raw`\"normalise\":{\"mean\":0.5,\"std\":0.25}`);
});

test('study runs a row as soon as its weights are named', async () => {
  for (const [seed, name] of ['pool', 'clinic'].entries())
    await makePhantom({ out: at(name), clips: 12, framesPerClip: 2, size: 32, seed });
  writeFileSync(
    at('study.yaml'),
    `name: small
pretraining: { on: [pool], set: [view.size=32, model.width=2] }
recipes:
  - { name: random, weights: random }
  - { name: imagenet, weights: imagenet.pth, normalise: imagenet }
targets: [{ name: clinic, data: clinic }]
protocols: { probe: { folds: 2, seeds: 1, framesPerClip: 1, k: 3 } }
endpoint: { reader: linear, targets: [clinic] }
controls: [random]
shortcutMeter: false
resamples: 100
`,
  );
  const args = ['study', 'study.yaml', '--data', '.', '--work', 'work', '--out', 'out', '--json'];
  const answer = z.looseObject({ jobs: z.looseObject({ total: z.int() }), refused: z.array(z.unknown()) });
  const first = await uscl(args, {}, scratch);
  expect(first.code, first.stderr).toBe(0);
  expect(answer.parse(JSON.parse(first.stdout))).toMatchObject({
    jobs: { total: 1 },
    refused: [{ job: 'imagenet.s0.probe.clinic' }],
  });
  const second = await uscl([...args, '--weights', 'imagenet=torchvision.pth'], {}, scratch);
  expect(second.code, second.stderr).toBe(0);
  expect(answer.parse(JSON.parse(second.stdout))).toMatchObject({ jobs: { total: 2 }, refused: [] });
});
