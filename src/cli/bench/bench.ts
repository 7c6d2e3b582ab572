/**
 * How fast a real training step is on this machine: the step of `pretrain` itself, once fed by the loader and once
 * with a batch that stays in memory, in alternating blocks so that a busy machine disturbs both alike.
 */
import { setImmediate } from 'node:timers/promises';
import type { KernelTime } from '../../engine/core/backend.ts';
import { type BenchSession, openBenchSession, type Feeding, type SessionOptions } from './session.ts';
import type { Config } from '../../runs/config.ts';
import { describeEnvironment, type Environment } from '../../runs/environment.ts';
import type { StepSeconds } from '../../trainer/trained-network.ts';

export interface BenchOptions extends SessionOptions {
  /** Measured steps of each kind. Default 8. */
  readonly steps?: number;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** Images a second with a batch that stays in memory. */
export interface TuningSpeeds {
  /** The same forward and backward passes and optimizer as in pretraining, for comparison: views a second. */
  readonly pretraining: number;
  /** Fine-tuning of every layer. */
  readonly all: number;
  /** Fine-tuning of the last residual block; everything below it only infers. */
  readonly lastBlock: number;
  /** Inference with batch norms folded away. */
  readonly inference: number;
}

export interface BenchResult {
  /** Clips (pairs of views) a second, loader included. */
  readonly pairsPerSecond: number;
  /** The same with a batch that stays in memory. */
  readonly pairsPerSecondConstant: number;
  /** Median seconds of a step with the loader. */
  readonly secondsPerStep: number;
  /** Where the time of a step with the loader goes; sums to 1. */
  readonly shares: Readonly<Record<keyof StepSeconds, number>>;
  /** Largest resident memory of the process in pretraining, in bytes. */
  readonly peakMemory: number;
  /** What comes after pretraining, measured right after it in turns with it. */
  readonly images: TuningSpeeds;
  /** Every kernel of the training plan, seconds a step, slowest first. */
  readonly kernels: readonly KernelTime[];
  readonly steps: number;
  readonly config: Pick<Config, 'precision' | 'backend' | 'threads' | 'loader' | 'model' | 'batch'> & {
    readonly size: number;
    readonly channels: number;
  };
  readonly environment: Environment;
}

/** Steps before measuring: plans are made and memory is touched in them. */
const WARM_UP = 2;
/** Steps of one kind in a row. */
const BLOCK = 4;

/** Measures. Errors: those of `openBenchSession`. */
export async function bench(options: BenchOptions = {}): Promise<BenchResult> {
  const measured = options.steps ?? 8;
  await using session = await openBenchSession(options);
  const { config } = session;
  const total = 2 * measured + 2 * WARM_UP + WARM_UP + measured;
  const times: Record<Feeding, StepSeconds[]> = { loader: [], constant: [] };
  let done = 0;
  const run = async (feeding: Feeding, record: boolean): Promise<void> => {
    options.signal?.throwIfAborted();
    const seconds = await session.step(feeding);
    if (record) times[feeding].push(seconds);
    options.onProgress?.(
      ++done,
      total,
      record ? `${feeding}: ${wholeOf(seconds).toFixed(2)} s a step` : 'warming up',
    );
  };
  for (let i = 0; i < WARM_UP; i++) await run('constant', false);
  for (let i = 0; i < WARM_UP; i++) await run('loader', false);
  while (times.loader.length < measured) {
    const block = Math.min(BLOCK, measured - times.loader.length);
    for (let i = 0; i < block; i++) await run('constant', true);
    for (let i = 0; i < block; i++) await run('loader', true);
  }
  const { precision, backend, threads, loader, model, batch, view } = config;
  const secondsPerStep = median(times.loader.map(wholeOf));
  const sum = times.loader.map(wholeOf).reduce((a, b) => a + b, 0);
  const share = (part: keyof StepSeconds): number =>
    times.loader.reduce((total_, seconds) => total_ + seconds[part], 0) / sum;
  // Node counts kilobytes here.
  const peakMemory = process.resourceUsage().maxRSS * 1024;
  const kernels = [...session.kernels()]
    .map((kernel) => ({ ...kernel, seconds: kernel.seconds / done }))
    .sort((a, b) => b.seconds - a.seconds);
  const images = await measureTuning(session, measured, (round) => {
    options.signal?.throwIfAborted();
    options.onProgress?.(++done, total, round < 0 ? 'warming up' : 'fine-tuning and inference');
  });
  return {
    pairsPerSecond: batch.pairs / secondsPerStep,
    pairsPerSecondConstant: batch.pairs / median(times.constant.map(wholeOf)),
    secondsPerStep,
    shares: {
      ...{ data: share('data'), forward: share('forward'), loss: share('loss') },
      ...{ backward: share('backward'), optimizer: share('optimizer') },
    },
    peakMemory,
    images,
    kernels,
    steps: measured,
    config: { precision, backend, threads, loader, model, batch, size: view.size, channels: view.channels },
    environment: describeEnvironment(session.backend),
  };
}

/** Every kind of step once in each round, so that a busy machine disturbs all alike. */
async function measureTuning(
  session: BenchSession,
  rounds: number,
  afterRound: (round: number) => void,
): Promise<TuningSpeeds> {
  const count = 2 * session.config.batch.pairs;
  const works = {
    pretraining: { step: () => session.step('constant') },
    all: session.tuningStep('all'),
    lastBlock: session.tuningStep('last-block'),
    inference: session.tuningStep('inference'),
  };
  const seconds: Record<keyof TuningSpeeds, number[]> = {
    pretraining: [],
    all: [],
    lastBlock: [],
    inference: [],
  };
  const names = ['pretraining', 'all', 'lastBlock', 'inference'] as const;
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const name of names) {
      const start = performance.now();
      await works[name].step();
      if (round >= 0) seconds[name].push((performance.now() - start) / 1000);
    }
    afterRound(round);
    // Lets a signal be heard.
    await setImmediate();
  }
  const speed = (name: keyof TuningSpeeds): number => count / median(seconds[name]);
  return {
    ...{ pretraining: speed('pretraining'), all: speed('all') },
    ...{ lastBlock: speed('lastBlock'), inference: speed('inference') },
  };
}

function wholeOf(seconds: StepSeconds): number {
  return seconds.data + seconds.forward + seconds.loss + seconds.backward + seconds.optimizer;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
