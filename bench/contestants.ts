/**
 * Programs that speak the step protocol (`peers/protocol.py`), started once and asleep while another works, so that a
 * benchmark can give each its turn, round by round.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';

const answerSchema = z.looseObject({ seconds: z.array(z.number()), peakBytes: z.number() });
const partsSchema = z.array(
  z.object({
    data: z.number(),
    forward: z.number(),
    loss: z.number(),
    backward: z.number(),
    optimizer: z.number(),
  }),
);

type StepProgram = ChildProcessByStdio<Writable, Readable, null>;

/** A program that speaks the step protocol. */
export class Contestant {
  readonly name: string;
  readonly steps: number;
  readonly about: unknown;
  readonly rounds: number[][] = [];
  readonly parts: z.infer<typeof partsSchema> = [];
  peakBytes = 0;
  readonly #child: StepProgram;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    name: string,
    steps: number,
    child: StepProgram,
    lines: AsyncIterator<string>,
    about: unknown,
  ) {
    this.name = name;
    this.steps = steps;
    this.#child = child;
    this.#lines = lines;
    this.about = about;
  }

  static async start(
    name: string,
    steps: number,
    command: string,
    args: readonly string[],
    warmUp = 2,
  ): Promise<Contestant> {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const about: unknown = JSON.parse(await nextLine(name, lines));
    const contestant = new Contestant(name, steps, child, lines, about);
    await contestant.run(warmUp); // plans are made, memory is touched
    return contestant;
  }

  async run(steps: number): Promise<z.infer<typeof answerSchema>> {
    this.#child.stdin.write(`step ${steps}\n`);
    return answerSchema.parse(JSON.parse(await nextLine(this.name, this.#lines)));
  }

  async turn(): Promise<void> {
    const answer = await this.run(this.steps);
    this.rounds.push(answer.seconds);
    this.peakBytes = answer.peakBytes;
    if ('parts' in answer) this.parts.push(...partsSchema.parse(answer['parts']));
  }

  /** Median seconds of a step in a round, or over all of them. */
  seconds(round?: number): number {
    return median(round === undefined ? this.rounds.flat() : this.rounds[round]!);
  }

  /** What the program said of itself: its PyTorch, or its engine. */
  version(): string {
    const about = z.looseObject({ torch: z.string().optional() }).parse(this.about);
    return about.torch === undefined ? 'uscl' : `PyTorch ${about.torch}`;
  }

  stop(): void {
    this.#child.stdin.write('quit\n');
    this.#child.stdin.end();
  }
}

async function nextLine(name: string, lines: AsyncIterator<string>): Promise<string> {
  const result = await lines.next();
  if (result.done === true) throw new Error(`${name} ended before it answered`);
  return result.value;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The whole number above 0 of an option. */
export function countOf(name: string, value: string): number {
  const count = Number(value);
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`--${name} ${value} is no whole number above 0`);
  return count;
}

export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** `value(round)` over all rounds. */
export function overRounds(rounds: number, value: (round: number) => number): Ratio {
  const each = Array.from({ length: rounds }, (_, round) => value(round));
  return { median: median(each), min: Math.min(...each), max: Math.max(...each) };
}
