/** The work around the steps of a pretraining: logging, events, scores at the end of an epoch, and checkpoints. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import { guardWrites } from '../base/files.ts';
import { Pace } from '../base/pace.ts';
import { CHECKPOINTS, type CheckpointState, saveCheckpoint, saveLast } from '../runs/checkpoint.ts';
import { anyOf } from '../engine/ranks/agreement.ts';
import type { Losses, Method } from '../methods/method.ts';
import type { Config } from '../runs/config.ts';
import type { BatchSchedule } from '../trainer/methods/batch-schedule.ts';
import type { StepBatch } from '../trainer/methods/step-batch.ts';
import type { OpenRun } from './open-run.ts';
import type { StepEntry } from '../runs/log.ts';
import type { RunTime, Training } from '../trainer/loop.ts';
import { RUN_FILES } from '../runs/run-folder.ts';
import type { EpochScore } from './scorer.ts';

export class Pretraining implements Training {
  readonly batchSchedule: BatchSchedule;
  readonly config: Config;
  /** Of the last step made; null when none was. */
  loss: number | null = null;
  readonly #open: OpenRun;
  readonly #folder: string;
  readonly #pace: Pace;

  /** Makes the folder for checkpoints. */
  constructor(open: OpenRun) {
    this.batchSchedule = open.batchSchedule;
    this.config = open.config;
    this.#open = open;
    this.#folder = join(open.folder, RUN_FILES.checkpoints);
    this.#pace = new Pace(open.batchSchedule.steps - open.from.step);
    if (open.writes) guardWrites(this.#folder, () => mkdirSync(this.#folder, { recursive: true }));
  }

  async step({ step, epoch }: RunTime, learningRate: number): Promise<void> {
    const { config, batchSchedule, network, feed, log, tell } = this.#open;
    let pairs = 0;
    const next = async (): Promise<StepBatch> => {
      const batch = await feed.next();
      pairs += batch.pairs;
      return batch;
    };
    const { clipNorm } = config.training;
    const result = await network.step(next, batchSchedule.batchesIn(step), learningRate, clipNorm);
    const losses = meanLosses(network.method, result.losses);
    const seconds = this.#pace.lap();
    this.loss = losses.loss;
    const entry: StepEntry = {
      kind: 'step',
      ...{ step: step + 1, epoch, time: Date.now() / 1000, ...losses },
      learningRate,
      gradientNorm: result.gradientNorm,
      pairs,
      seconds,
      pairsPerSecond: pairs / seconds,
      dataWaitShare: Math.min(1, result.seconds.data / seconds),
      memory: process.memoryUsage.rss(),
    };
    log.append(entry);
    tell({ kind: 'step', entry, steps: batchSchedule.steps, secondsLeft: this.#pace.secondsLeft() });
  }

  failed({ where = '', remedy }: UsclError, { step, epoch }: RunTime): { where: string; remedy: string } {
    // A finite gradient can still have thrown the weights out of range; then the checkpoint before is the last good one.
    const sound = this.#open.network.parameters.values.read().every((value) => Number.isFinite(value));
    if (sound) this.#save(this.#state(step, epoch));
    return {
      where: `step ${step + 1}, epoch ${epoch}, ${where}`,
      remedy:
        remedy +
        (sound
          ? ' The state before that step is saved; --resume would meet the same batch again.'
          : ' The weights had left the range of numbers before; the checkpoints of earlier epochs are untouched.'),
    };
  }

  async endEpoch(epoch: number, step: number): Promise<'saved' | 'not saved'> {
    const { config, batchSchedule, log, tell } = this.#open;
    const final = step === batchSchedule.steps;
    const { every, keep } = config.checkpoint;
    const due = (epoch + 1) % every === 0 || final;
    if (due) this.#open.requireSameWeights();
    for (const { entry, best } of await this.#scores(epoch, step, final)) {
      log.append(entry);
      tell({ kind: 'score', entry, best });
      if (best) this.#saveWeights(CHECKPOINTS.best, step, epoch);
    }
    if (keep > 0 && (epoch + 1) % keep === 0) this.#saveWeights(CHECKPOINTS.kept(epoch + 1), step, epoch);
    if (due) this.#save(this.#state(step, epoch));
    this.#pace.skip();
    return due ? 'saved' : 'not saved';
  }

  /** Rank 0 scores, while the others wait for it in their next step. Where an epoch cannot be scored, its steps are saved all the same; going on begins with its score. */
  async #scores(epoch: number, step: number, final: boolean): Promise<readonly EpochScore[]> {
    if (!this.#open.writes) return [];
    try {
      return await this.#open.scorer.scoreEpoch(epoch, step, final);
    } catch (thrown) {
      // Weights that left the range of numbers are never saved.
      if (!(thrown instanceof UsclError) || thrown.kind !== 'numeric')
        this.#save({ ...this.#state(step, epoch), unscored: 'true' });
      throw thrown;
    }
  }

  stops(isSignalled: boolean): boolean {
    return anyOf(this.#open.ranks, isSignalled);
  }

  isSaveDue(): boolean {
    return false;
  }

  save(step: number, epoch: number): void {
    this.#open.requireSameWeights();
    this.#save(this.#state(step, epoch));
  }

  /** Everything that resuming needs. The log goes first, so that it is never behind. */
  #save(state: CheckpointState): void {
    if (!this.#open.writes) return;
    const { network, log, tell } = this.#open;
    log.flush();
    saveLast(this.#folder, state, network.left, network.state);
    tell({ kind: 'checkpoint', path: join(this.#folder, CHECKPOINTS.last) });
  }

  #saveWeights(name: string, step: number, epoch: number): void {
    if (!this.#open.writes) return;
    const { left } = this.#open.network;
    saveCheckpoint(join(this.#folder, name), this.#state(step, epoch), left, null);
  }

  #state(step: number, epoch: number): CheckpointState {
    const { config, hashes, network, scorer } = this.#open;
    const { backbone, width } = config.model;
    const { channels, size } = config.view;
    return {
      ...{ step, epoch, ...hashes },
      optimizerSteps: network.optimizer.steps,
      best: scorer.best,
      model: { backbone, width, channels, size },
    };
  }
}

/** The loss and every measurement of a step, in the order of the log; each batch counts once, and counts are summed. */
function meanLosses({ measurements }: Method, losses: readonly Losses[]): Losses {
  const sum = (name: string): number => losses.reduce((total, one) => total + one[name]!, 0);
  return {
    loss: sum('loss') / losses.length,
    ...Object.fromEntries(
      measurements.map(({ name, over }) => [name, over === 'sum' ? sum(name) : sum(name) / losses.length]),
    ),
  };
}
