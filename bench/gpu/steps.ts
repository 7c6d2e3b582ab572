/**
 * A SimCLR step (two views, NT-Xent, Adam) of 64 pairs at 224 px, alternately: this program's, PyTorch eager in its best form
 * (channels_last, autocast, fused Adam) and the same through torch.compile. One constant batch, images in host memory on our
 * side and on the device on PyTorch's: what we upload counts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openBackend } from '../../src/index.ts';
import {
  type Backend,
  createOptimizer,
  type Optimizer,
  type Parameters,
  type Plan,
  type Precision,
} from '../../src/exports/engine.ts';
import { initialise, ntXent, OUTPUTS } from '../../src/exports/methods.ts';
import { contrastNetwork, DIM, HIDDEN } from './network.ts';
import { type At, median } from './part.ts';

const ADAM = { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
const TEMPERATURE = 0.5;

interface Timed {
  readonly name: string;
  /** Seconds of a step: the median of each round. */
  readonly rounds: number[];
}

export async function compareSteps(at: At): Promise<unknown> {
  const [size, pairs, rounds, steps] = at.rehearse ? [32, 4, 2, 2] : [224, 64, 3, 10];
  const tables = [];
  for (const depth of at.rehearse ? ([18] as const) : ([18, 50] as const))
    for (const precision of at.rehearse ? (['f32'] as const) : (['bf16', 'f32'] as const)) {
      const title = `ResNet-${depth}, ${precision}, ${pairs} pairs, ${size} px`;
      at.tell(`${title}:`);
      const timed = await alternate(at, { depth, precision, size, pairs, rounds, steps });
      const ours = timed[0]!;
      for (const { name, rounds: seconds } of timed) {
        const each = median(seconds);
        const ratio = median(seconds.map((value, i) => value / ours.rounds[i]!));
        at.tell(
          `- ${name}: ${(1000 * each).toFixed(1)} ms a step, ${((2 * pairs) / each).toFixed(0)} images/s` +
            (name === ours.name ? '' : `; ${ratio.toFixed(2)} × the time of ours`),
        );
      }
      tables.push({ title, timed });
    }
  return tables;
}

interface Work {
  readonly depth: 18 | 50;
  readonly precision: Precision;
  readonly size: number;
  readonly pairs: number;
  readonly rounds: number;
  readonly steps: number;
}

async function alternate(at: At, work: Work): Promise<readonly Timed[]> {
  using ours = new OurStep(at, work);
  using eager = await Peer.start(at, 'eager', work);
  using compiled = await Peer.start(at, 'compiled', work);
  const contestants = [
    { name: 'uscl', turn: () => Promise.resolve(ours.turn(work.steps)) },
    { name: `PyTorch ${eager.version}, eager`, turn: () => eager.turn(work.steps) },
    { name: `PyTorch ${compiled.version}, torch.compile`, turn: () => compiled.turn(work.steps) },
  ];
  const timed: Timed[] = contestants.map(({ name }) => ({ name, rounds: [] }));
  for (let round = -1; round < work.rounds; round++)
    for (const [i, { turn }] of contestants.entries()) {
      const seconds = await turn();
      // The first round chooses kernels and compiles.
      if (round >= 0) timed[i]!.rounds.push(median(seconds));
    }
  return timed;
}

class OurStep implements Disposable {
  readonly #pairs: number;
  readonly #backend: Backend;
  readonly #parameters: Parameters;
  readonly #plan: Plan;
  readonly #optimizer: Optimizer;

  constructor({ device }: At, { depth, precision, size, pairs }: Work) {
    this.#pairs = pairs;
    this.#backend = openBackend({ kind: 'torch', device });
    const network = contrastNetwork(depth, size, 64);
    this.#parameters = this.#backend.createParameters(network);
    initialise(this.#parameters, 1);
    const options = { batch: 2 * pairs, mode: 'train', precision, normGroups: 2 } as const;
    this.#plan = this.#backend.compile(network, this.#parameters, options);
    const parameters = this.#parameters.specs.map(({ name }) => name);
    const group = { parameters, learningRateFactor: 1, weightDecay: 1e-4 };
    this.#optimizer = createOptimizer(this.#backend, this.#parameters, ADAM, [group]);
    const { input } = this.#plan;
    for (let i = 0; i < input.length; i++) input[i] = Math.sin(0.01 * i);
  }

  /** Seconds of each of so many steps. */
  turn(steps: number): number[] {
    return Array.from({ length: steps }, () => {
      this.#backend.synchronize();
      const begun = performance.now();
      this.#step();
      this.#backend.synchronize();
      return (performance.now() - begun) / 1000;
    });
  }

  #step(): void {
    const plan = this.#plan;
    plan.forward();
    const gradient = plan.outputGradient(OUTPUTS.projection);
    const { loss } = ntXent(plan.output(OUTPUTS.projection), this.#pairs, DIM, TEMPERATURE, gradient);
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
    plan.outputGradient(OUTPUTS.features).fill(0);
    plan.backward();
    this.#optimizer.update(1e-4);
  }

  [Symbol.dispose](): void {
    using _backend = this.#backend;
    using _parameters = this.#parameters;
    using _plan = this.#plan;
    this.#optimizer[Symbol.dispose]();
  }
}

/** `peer.py step`: asleep until a line asks for so many steps, which it answers by their seconds. */
class Peer implements Disposable {
  readonly version: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(version: string, child: ChildProcess, lines: AsyncIterator<string>) {
    this.version = version;
    this.#child = child;
    this.#lines = lines;
  }

  static async start({ python, device }: At, form: string, work: Work): Promise<Peer> {
    const args = ['step', '--form', form, '--device', device, '--depth', String(work.depth)];
    const more = ['--precision', work.precision, '--size', String(work.size), '--pairs', String(work.pairs)];
    const heads = ['--hidden', String(HIDDEN), '--dim', String(DIM)];
    const file = join(import.meta.dirname, 'peer.py');
    const child = spawn(python, [file, ...args, ...more, ...heads], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { torch } = JSON.parse(await next(lines)) as { readonly torch: string };
    return new Peer(torch, child, lines);
  }

  async turn(steps: number): Promise<number[]> {
    this.#child.stdin?.write(`${steps}\n`);
    return JSON.parse(await next(this.#lines)) as number[];
  }

  [Symbol.dispose](): void {
    this.#child.stdin?.end();
  }
}

async function next(lines: AsyncIterator<string>): Promise<string> {
  const line = await lines.next();
  if (line.done === true) throw new Error('The peer ended before it answered: its own words are above.');
  return line.value;
}
