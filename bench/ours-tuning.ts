/**
 * Our folded inference and fine-tuning steps behind the protocol of `peers/protocol.py`.
 *
 *     tsx bench/ours-tuning.ts inference|last-block|all images [key=value ...]
 */
import { createInterface } from 'node:readline';
import { openBackend } from '../src/engine/open.ts';
import { openTuningStep, TUNING_WORKS } from '../src/cli/bench/tuning.ts';
import { resolveConfig, settled } from '../src/runs/config.ts';

const [asked, images, ...set] = process.argv.slice(2);
const work = TUNING_WORKS.find((name) => name === asked);
if (work === undefined) throw new RangeError(`unknown work ${asked ?? ''}`);

const say = (message: unknown): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

const wanted = resolveConfig({ set });
using backend = openBackend({
  kind: wanted.backend,
  ...(wanted.threads === null ? {} : { threads: wanted.threads }),
});
const config = settled(wanted, backend);
using step = openTuningStep(backend, config, work, Number(images));
say({
  program: 'uscl',
  work,
  images: step.images,
  backbone: config.model.backbone,
  size: config.view.size,
  channels: config.view.channels,
  precision: config.precision,
  backend: backend.describe(),
  node: process.version,
});
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(' ');
  if (command === 'quit') break;
  const seconds: number[] = [];
  for (let i = 0; i < Number(count); i++) {
    const start = performance.now();
    await step.step();
    seconds.push((performance.now() - start) / 1000);
  }
  // Node counts kilobytes here.
  say({ seconds, peakBytes: process.resourceUsage().maxRSS * 1024 });
}
