/**
 * How close the features of a probe come to bare inference, and what a whole probe takes. In turns: all frames of a
 * dataset read, made into views and run through a folded ResNet-18, and the same network alone on as many images that
 * lie in memory. Then one probe beside three random backbones, as `uscl probe` makes it. Without `--dataset` clips are
 * simulated here: 3,712 frames.
 *
 *     npm run bench:probe -- [--dataset FOLDER] [--frames 8] [--size 112] [--rounds 3] [--out FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../src/dataset/reader.ts';
import { openBackend } from '../src/engine/open.ts';
import { backboneOf } from '../src/models/backbone.ts';
import { initialise } from '../src/models/initialise.ts';
import { makePhantom } from '../src/phantom/phantom.ts';
import { probeRun } from '../src/probe/probe-run.ts';
import { saveCheckpoint } from '../src/runs/checkpoint.ts';
import { resolveConfig } from '../src/runs/config.ts';
import { embedClips, randomBackbone } from '../src/trainer/backbone.ts';
import { countOf, overRounds } from './contestants.ts';

const { values: flags } = parseArgs({
  options: {
    dataset: { type: 'string' },
    frames: { type: 'string', default: '8' },
    size: { type: 'string', default: '112' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string' },
  },
});
const [framesPerClip, size, rounds] = (['frames', 'size', 'rounds'] as const).map((name) =>
  countOf(name, flags[name]),
) as [number, number, number];
const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-'));
try {
  const result = await measured(flags.dataset ?? (await simulated()));
  console.log(JSON.stringify(result, null, 2));
  if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  rmSync(scratch, { recursive: true });
}

async function simulated(): Promise<string> {
  const folder = join(scratch, 'simulated');
  await makePhantom({ out: folder, clips: 464, framesPerClip: 8, size: 64 });
  return folder;
}

async function measured(folder: string): Promise<Record<string, unknown>> {
  const config = resolveConfig({ overrides: { view: { size } } });
  using dataset = openDataset(folder);
  using backend = openBackend();
  using network = randomBackbone(backend, config, 0);
  const { plan } = network;
  let images = 0;
  const features: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const whole = await timed(async () => {
      const [one] = await embedClips(dataset, [plan], config.view, { framesPerClip });
      images = one!.clip.length;
    });
    const alone = await timed(() => {
      for (let done = 0; done < images; done += plan.batch) plan.forward();
    });
    // The first round warms up.
    if (round > 0) {
      features.push(images / whole);
      bare.push(images / alone);
    }
  }
  return {
    processor: cpus()[0]!.model,
    threads: availableParallelism(),
    images,
    ...{ size, framesPerClip },
    imagesPerSecond: { features, bare },
    'features / bare inference': overRounds(rounds, (round) => features[round]! / bare[round]!),
    probe: await wholeProbe(folder, config),
  };
}

/** Seconds of a probe beside three random backbones, until the first fold and after. */
async function wholeProbe(
  folder: string,
  config: ReturnType<typeof resolveConfig>,
): Promise<Record<string, number>> {
  const weights = join(scratch, 'weights.safetensors');
  using backend = openBackend();
  using parameters = backend.createParameters(backboneOf(config));
  initialise(parameters, 1);
  const { backbone, width } = config.model;
  const where = { step: 0, epoch: 0, optimizerSteps: 0, configHash: '', datasetHash: '', best: null };
  const model = { backbone, width, channels: config.view.channels, size };
  saveCheckpoint(weights, { ...where, model }, parameters, null);
  let firstFold: number | undefined;
  const start = performance.now();
  const seconds = await timed(() =>
    probeRun(weights, folder, {
      framesPerClip,
      onProgress: (_done, _total, note) => {
        if (note?.endsWith('folds') === true) firstFold ??= performance.now();
      },
    }),
  );
  const untilFolds = ((firstFold ?? start) - start) / 1000;
  return { seconds, untilFolds, folds: seconds - untilFolds };
}

async function timed(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}
