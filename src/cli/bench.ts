/**
 * `uscl bench`: the first steps of a real pretraining, timed by its own log. The run is made in a temporary folder and
 * stopped as Ctrl-C would; nothing of it stays.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { mean, told } from '../base/collect.ts';
import { median } from '../evaluation/scores/resampling.ts';
import { textTable } from '../base/text-table.ts';
import { mergeDatasets } from '../curation/merge.ts';
import { allMethods } from '../methods/registry.ts';
import { makePhantom } from '../phantom/phantom.ts';
import { methodCosts } from '../pretrain/method-costs.ts';
import { pretrain } from '../pretrain/pretrain.ts';
import { type ConfigSources, resolveConfig } from '../runs/config.ts';
import type { GivenLayers } from '../runs/config-layers.ts';
import type { StepEntry } from '../runs/log.ts';
import { readRunConfig, RUN_FILES } from '../runs/run-folder.ts';
import { collect, whole, withAction } from './command.ts';
import { byteSize, duration, type Output, percent } from './output.ts';
import { layersOf } from './training.ts';

interface Options {
  readonly config?: string;
  readonly set: readonly string[];
  readonly dataset?: string;
  readonly steps: number;
  readonly methods?: boolean;
}

/** Steps before measuring: plans are made and memory is touched in them. */
const WARM_UP = 2;

export function benchCommand(): Command {
  const command = new Command('bench')
    .summary('how fast pretraining is here')
    .description(
      'Makes the first steps of `uscl pretrain` with this configuration and tells pairs a second, the share of time spent ' +
        'waiting for data, memory and, with --dataset, how long the whole run would take. Keeps nothing.',
    )
    .option('--dataset <folder>', 'dataset to train on (default: simulated clips of 256×256 pixels)')
    .addOption(whole('--steps <number>', 'measured steps', 1, 10_000).default(8))
    .option('--methods', 'cost of a step of every method, beside the passes it makes')
    .option('--config <file>', 'YAML file with configuration keys')
    .option('--set <key=value>', 'set one configuration key; repeatable', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  uscl bench
  uscl bench --dataset lung --set batch.size=64
  uscl bench --json --set model.backbone=resnet50 --set view.size=112
  uscl bench --methods --set view.size=112 --set batch.size=16

--methods: a pass is one view of every clip forward and backward; forward alone counts a third. What a step takes beyond its
passes is the method's own: heads, losses, queues, moving averages.`,
    );
  return withAction(command, async (output, signal, options: Options) => {
    const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-'));
    try {
      await (options.methods === true ? benchMethods : bench)(options, scratch, output, signal);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}

async function bench(options: Options, scratch: string, output: Output, signal: AbortSignal): Promise<void> {
  const { steps } = options;
  const layers = layersOf(options);
  const { dataset, config } =
    options.dataset === undefined
      ? await simulated(layers, scratch, output, signal)
      : { dataset: options.dataset, config: layers };
  const entries: StepEntry[] = [];
  const enough = new AbortController();
  let machine = '';
  const out = join(scratch, 'run');
  const summary = await output.during('bench', 'steps', ({ onProgress, onNote }) =>
    pretrain({
      ...{ dataset, out, config, signal: AbortSignal.any([signal, enough.signal]) },
      onEvent: (event) => {
        if (event.kind === 'note') onNote(event.text);
        if (event.kind === 'start') machine = `${event.backend}, ${event.precision}`;
        if (event.kind !== 'step') return;
        entries.push(event.entry);
        onProgress(entries.length, WARM_UP + steps, `${event.entry.seconds.toFixed(2)} s a step`);
        if (entries.length === WARM_UP + steps) enough.abort();
      },
    }),
  );
  signal.throwIfAborted();
  // A run that is shorter than the warm-up is measured as it is.
  const measured = entries.length > WARM_UP ? entries.slice(WARM_UP) : entries;
  const secondsPerStep = median(measured.map(({ seconds }) => seconds));
  const result = {
    pairsPerSecond: median(measured.map(({ pairsPerSecond }) => pairsPerSecond)),
    secondsPerStep,
    dataWaitShare: mean(measured.map(({ dataWaitShare }) => dataWaitShare)),
    // Node counts kilobytes here.
    peakMemory: process.resourceUsage().maxRSS * 1024,
    /** Of the steps of the whole run on this dataset, without scores and checkpoints. */
    secondsOfRun: options.dataset === undefined ? null : secondsPerStep * summary.steps,
    steps: measured.length,
    config: readRunConfig(out),
    environment: JSON.parse(readFileSync(join(out, RUN_FILES.environment), 'utf8')) as unknown,
  };
  const { model, view, batch, threads } = result.config;
  const lines = told([
    `${machine}, ${threads ?? 'all'} threads: ${model.backbone}, ${view.size} px, ${batch.size} pairs`,
    `${result.pairsPerSecond.toFixed(2)} pairs/s, ${secondsPerStep.toFixed(3)} s a step, ${percent(result.dataWaitShare)} of it waiting for data`,
    `peak memory ${byteSize(result.peakMemory)}`,
    result.secondsOfRun !== null && `the ${summary.steps} steps of the run: ${duration(result.secondsOfRun)}`,
  ]);
  output.tell(result, lines.join('\n'));
}

/** Costs of all methods on simulated clips of two datasets, patients with several clips. */
async function benchMethods(
  { set, steps: turns, dataset: given }: Options,
  scratch: string,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const costs = await output.during('bench', 'methods', async (watch) => {
    const dataset = given ?? (await mergedClips(scratch, resolveConfig({ set }).batch.size, signal));
    return methodCosts(allMethods(), { dataset, set, turns, signal, ...watch });
  });
  const rows = costs.map(
    ({ method, trained, looked, passes, seconds, predicted, lossShare, updateShare }) => [
      method,
      String(trained),
      String(looked),
      passes.toFixed(2),
      seconds.toFixed(3),
      predicted.toFixed(3),
      (seconds / predicted).toFixed(3),
      percent(lossShare),
      percent(updateShare),
    ],
  );
  const head = ['', 'trained', 'looked at', 'passes', 's a step', 'predicted', 'ratio', 'losses', 'update'];
  output.tell({ costs }, textTable([head, ...rows]).join('\n'));
}

/** Enough clips for a batch of every method, of patients with four clips each, in two datasets. */
async function mergedClips(scratch: string, batch: number, signal: AbortSignal): Promise<string> {
  const halves = [0, 1].map((seed) => ({ seed, out: join(scratch, `half-${seed}`) }));
  for (const half of halves)
    await makePhantom({ ...half, clips: Math.max(12, batch), framesPerClip: 4, size: 256, signal });
  const out = join(scratch, 'clips');
  await mergeDatasets({ datasets: halves.map((half) => half.out), prefixes: ['a', 'b'], out, signal });
  return out;
}

/** More steps than anyone measures. */
const ENDLESS = 1_000_000;

/** Simulated clips, one step an epoch, and the configuration of a run on them that only makes steps. */
async function simulated(
  layers: GivenLayers,
  scratch: string,
  output: Output,
  signal: AbortSignal,
): Promise<{ readonly dataset: string; readonly config: ConfigSources }> {
  const dataset = join(scratch, 'clips');
  const { batch, data, training } = resolveConfig(layers);
  const clips = Math.max(3, Math.ceil((batch.size * training.accumulate) / data.rate));
  await output.during('simulate', 'clips', ({ onProgress }) =>
    makePhantom({ out: dataset, clips, framesPerClip: 3, size: 256, onProgress, signal }),
  );
  const overrides = {
    data: { validation: { fraction: 0 } },
    training: { steps: ENDLESS },
    checkpoint: { every: ENDLESS },
  };
  return { dataset, config: { ...layers, overrides } };
}
