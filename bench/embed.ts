/**
 * How close `uscl embed` comes to bare inference. In turns: the whole of it (weights read, frames read, made into images, run
 * through the network, a NumPy matrix written), its features alone, and the same network on the same images that lie in memory,
 * with the same batch size and precision. Then where the rest goes: images made alone on one thread, and what is neither. Without
 * `--dataset` clips are simulated here.
 *
 *     npm run bench:embed -- [--dataset FOLDER | --clips 96] [--frames 8] [--size 224] [--backbone resnet18] [--channels 1] [--rounds 5] [--out FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../src/dataset/reader.ts';
import { embedFile } from '../src/embed/embed.ts';
import { openBackend } from '../src/engine/open.ts';
import { frameRows } from '../src/evaluation/features/embeddings.ts';
import { backboneOf } from '../src/models/backbone.ts';
import { OUTPUTS } from '../src/models/heads.ts';
import { initialise } from '../src/models/initialise.ts';
import { makePhantom } from '../src/phantom/phantom.ts';
import { saveCheckpoint } from '../src/runs/checkpoint.ts';
import { type Config, resolveConfig } from '../src/runs/config.ts';
import { embedClips, loadBackbone, readBackbone } from '../src/trainer/backbone.ts';
import { imageLength } from '../src/views/config.ts';
import { frameRenderer } from '../src/views/frames.ts';
import { countOf, overRounds } from './contestants.ts';

const { values: flags } = parseArgs({
  options: {
    dataset: { type: 'string' },
    clips: { type: 'string', default: '96' },
    frames: { type: 'string', default: '8' },
    size: { type: 'string', default: '224' },
    backbone: { type: 'string', default: 'resnet18' },
    channels: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    out: { type: 'string' },
  },
});
const [framesPerClip, size, rounds] = (['frames', 'size', 'rounds'] as const).map((name) =>
  countOf(name, flags[name]),
) as [number, number, number];
const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-'));
try {
  const folder = flags.dataset ?? join(scratch, 'simulated');
  if (flags.dataset === undefined)
    await makePhantom({
      out: folder,
      clips: countOf('clips', flags.clips),
      framesPerClip: 8,
      size: 256,
      seed: 0,
    });
  const result = await measured(folder, randomWeights());
  console.log(JSON.stringify(result, null, 2));
  if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  rmSync(scratch, { recursive: true });
}

/** A checkpoint of random weights: they take as long as any. */
function randomWeights(): string {
  const overrides = {
    model: { backbone: flags.backbone },
    view: { size, channels: Number(flags.channels) },
  };
  const config: Config = resolveConfig({ overrides });
  const path = join(scratch, 'weights.safetensors');
  using backend = openBackend();
  using parameters = backend.createParameters(backboneOf(config));
  initialise(parameters, 1);
  const { backbone, width } = config.model;
  const where = { step: 0, epoch: 0, optimizerSteps: 0, configHash: '', datasetHash: '', best: null };
  const model = { backbone, width, channels: config.view.channels, size };
  saveCheckpoint(path, { ...where, model }, parameters, null);
  return path;
}

async function measured(folder: string, weights: string): Promise<Record<string, unknown>> {
  const source = await readBackbone(weights);
  const { view } = source.config;
  using dataset = openDataset(folder);
  using backend = openBackend();
  using network = loadBackbone(backend, source);
  const { plan } = network;
  const rows = frameRows(dataset.clips, framesPerClip);
  const count = rows.clip.length;
  const length = imageLength(view);
  const batches: Float32Array[] = [];
  const render = frameRenderer(dataset, { ...view, augment: null });
  const make = (): void => {
    batches.length = 0;
    for (let from = 0; from < count; from += plan.batch) {
      const some = Math.min(plan.batch, count - from);
      const images = new Float32Array(plan.batch * length);
      const wanted = Array.from({ length: some }, (_, i) => ({
        clip: rows.clip[from + i]!,
        frame: rows.frame[from + i]!,
      }));
      render(wanted, 0, 0, images.subarray(0, some * length));
      batches.push(images);
    }
  };
  make();
  const dim = plan.output(OUTPUTS.features).length / plan.batch;
  const bare = new Float32Array(count * dim);
  let features: Float32Array = bare;
  const contestants: Readonly<Record<string, () => unknown>> = {
    'uscl embed': () =>
      embedFile(weights, folder, join(scratch, 'features.npy'), { framesPerClip, overwrite: true }),
    'features alone': async () => {
      const [one] = await embedClips(dataset, [plan], view, { framesPerClip });
      features = one!.features;
    },
    'bare inference': () => {
      batches.forEach((images, i) => {
        plan.input.set(images);
        plan.forward();
        const some = Math.min(plan.batch, count - i * plan.batch);
        bare.set(plan.output(OUTPUTS.features).subarray(0, some * dim), i * plan.batch * dim);
      });
    },
    'images alone, one thread': make,
  };
  const perSecond: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++)
    for (const [name, action] of Object.entries(contestants)) {
      const start = performance.now();
      await action();
      const seconds = (performance.now() - start) / 1000;
      // The first round warms up.
      if (round > 0) (perSecond[name] ??= []).push(count / seconds);
    }
  const ratio = (name: string): unknown =>
    overRounds(rounds, (round) => perSecond[name]![round]! / perSecond['bare inference']![round]!);
  return {
    processor: cpus()[0]!.model,
    threads: availableParallelism(),
    load: loadavg(),
    library: backend.describe().library,
    ...{
      backbone: flags.backbone,
      images: count,
      size,
      channels: view.channels,
      batch: plan.batch,
      framesPerClip,
    },
    imagesPerSecond: perSecond,
    sameBits: Buffer.from(features.buffer).equals(Buffer.from(bare.buffer)),
    'uscl embed / bare inference': ratio('uscl embed'),
    'features alone / bare inference': ratio('features alone'),
  };
}
