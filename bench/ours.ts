/**
 * Our training step behind the protocol of `peers/uscl_step.py`, so that a driver can alternate the two: on start one
 * JSON line, then `step N` answered by the seconds of N steps, `quit`. The step is the product's own.
 *
 *     tsx bench/ours.ts constant|loader|colour [key=value ...]
 *
 * `loader` reads frames as `ingest` stores them, grey; `colour` those of a dataset with three channels; `constant` takes
 * one batch that stays in memory. The clips are simulated.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mergeDatasets } from '../src/curation/merge.ts';
import { openDataset } from '../src/dataset/reader.ts';
import { openBackend } from '../src/engine/open.ts';
import { makePhantom } from '../src/phantom/phantom.ts';
import { BatchSchedule, openFeed } from '../src/trainer/methods/batch-schedule.ts';
import { MethodNetwork } from '../src/trainer/methods/method-network.ts';
import { openMethod } from '../src/trainer/methods/open-method.ts';
import { resolveConfig, settled } from '../src/runs/config.ts';
import { splitClips } from '../src/runs/training-clips.ts';
import { answerSteps, say } from './answers.ts';

const [feeding = 'constant', ...set] = process.argv.slice(2);
if (feeding !== 'constant' && feeding !== 'loader' && feeding !== 'colour')
  throw new RangeError(`unknown feeding ${feeding}`);

const scratch = mkdtempSync(join(tmpdir(), 'uscl-ours-'));
process.on('exit', () => {
  rmSync(scratch, { recursive: true, force: true });
});

const channels = feeding === 'colour' ? 3 : 1;
const wanted = resolveConfig({
  ...{ set, channels },
  overrides: {
    data: { validation: { fraction: 0 } },
    batch: { lastBatch: 'drop' },
    training: { steps: 1_000_000 },
  },
});
using dataset = openDataset(await simulated(wanted.batch.size));
using backend = openBackend({ kind: wanted.backend, device: wanted.device, threads: wanted.threads });
const config = settled(wanted, backend);
const { classes } = dataset.manifest;
const drawn = splitClips(dataset.clips, classes, config.data, config.seed);
const opened = openMethod({ config, dataset }, drawn);
using network = new MethodNetwork({ backend, config, opened });
const batchSchedule = new BatchSchedule({ dataset, opened, config });
await using feed = openFeed({ dataset, opened, config, batchSchedule, from: { step: 0 } });
// The loader overwrites its batches; this one has to last.
const { images, ...names } = await feed.next();
const constant = { ...names, images: images.slice() };
const next = feeding === 'constant' ? () => Promise.resolve(constant) : () => feed.next();

say({
  program: 'uscl',
  feeding,
  backbone: config.model.backbone,
  size: config.view.size,
  channels: config.view.channels,
  pairs: config.batch.size,
  precision: config.precision,
  backend: backend.describe(),
  node: process.version,
});
await answerSteps(async () => (await network.step(next, 1, config.optimizer.learningRate, null)).seconds);

/** Clips for two batches or more, of two halves, because a merged dataset may repeat grey three times. */
async function simulated(pairs: number): Promise<string> {
  const halves = [0, 1].map((seed) => ({ seed, out: join(scratch, `half-${seed}`) }));
  for (const half of halves)
    await makePhantom({ ...half, clips: Math.max(3, pairs), framesPerClip: 6, size: 256 });
  const { folder } = await mergeDatasets({
    datasets: halves.map(({ out }) => out),
    out: join(scratch, 'clips'),
    prefixes: ['a', 'b'],
    channels,
  });
  return folder;
}
