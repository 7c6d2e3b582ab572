/**
 * A pretraining by two ranks, one of which is killed (SIGKILL) at arranged places over and over, and gone on with each time. After
 * every kill it is asked where the rank was, what was said, whether all ended, and whether the checkpoint is whole; at the end, whether
 * the run has the bits of one that was left alone. The quick test kills twice, `test/slow/ranks.test.ts` twenty times.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { isRunning } from '../../src/base/processes.ts';
import { type Checkpoint, readCheckpoint } from '../../src/runs/checkpoint.ts';
import { outcomeOf } from '../cli/kills.ts';
import { type Finished, finished } from '../cli/run.ts';
import { TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import type { Plan } from './dying-main.ts';
import { launch, launched, type Launcher, MAIN } from './launchers.ts';

/** A kill; `wait` is 0 where it is missing. */
export type Kill = Omit<Plan, 'folder' | 'wait'> & { readonly wait?: number };

/** What came of a kill. */
export interface Death {
  readonly kill: Kill;
  /** The step at which the launch went on, 0 where it began; null: it was killed before it said so. */
  readonly from: number | null;
  /** The sum that the killed rank was in; null: in none. */
  readonly sum: number | null;
  /** The step of the checkpoint that is left; 0: none was saved. */
  readonly step: number;
  /** From the kill until every process had ended. */
  readonly seconds: number;
  readonly notice: Notice;
}

/** How it was told. */
type Notice = 'the launcher named it' | 'the launcher named the other' | 'UCX named it';

const DYING = join(import.meta.dirname, 'dying-main.ts');
/** In which all processes have to end. */
const SECONDS = 60;
/** Two steps an epoch; MoCo has a following network and a queue beside its weights. Three sums a step. */
const SETTINGS = [
  ...TINY_ONEDNN.filter((setting) => !/^(batch|threads|training)/.test(setting)),
  ...['batch.size=4', 'batch.lastBatch=drop', 'method.name=moco', 'method.queue=12'],
];
/** Steps, and sums, of an epoch. */
export const EPOCH = { steps: 2, sums: 6 };

/** Kills a run of so many epochs at these places, in this order, and goes on to its end. `tell` hears of every kill. */
export async function killRanks(
  launcher: Launcher,
  scratch: string,
  epochs: number,
  kills: readonly Kill[],
  tell: (death: Death) => void = () => undefined,
): Promise<readonly Death[]> {
  const dataset = await tinyDataset(join(scratch, 'killed-dataset'), { size: 32 });
  const argsOf = (out: string, more: readonly string[] = []): readonly string[] => [
    ...['pretrain', dataset, '--out', out, '--resume'],
    ...[...SETTINGS, `training.epochs=${epochs}`, ...more].flatMap((setting) => ['--set', setting]),
  ];
  const [whole, out] = [join(scratch, 'left-alone'), join(scratch, 'killed-over-and-over')];
  // The one that is left alone keeps the weights of each epoch, to compare with.
  const alone = await launched(launcher, 2, [MAIN, ...argsOf(whole, ['checkpoint.keep=1'])]);
  expect(alone.code, alone.stderr).toBe(0);

  const deaths: Death[] = [];
  for (const [i, kill] of kills.entries()) {
    const folder = join(scratch, `traces-${i}`);
    const plan: Plan = { ...kill, folder, wait: kill.wait ?? 0 };
    const from = deaths.at(-1)?.step ?? 0;
    const { died, said } = await killed(launcher, plan, argsOf(out));
    const notice = requireNotice(launcher, plan, died, said);
    const begun = requireStart(said, from);
    const step = requireWhole(out, whole, plan, from);
    const death = { kill, from: begun, sum: died.sum, step, seconds: died.seconds, notice };
    deaths.push(death);
    tell(death);
  }
  const last = await launched(launcher, 2, [MAIN, ...argsOf(out)]);
  expect(last.code, last.stderr).toBe(0);
  expect(requireStart(last, deaths.at(-1)?.step ?? 0)).not.toBeNull();
  expect(outcomeOf(out, ['last', 'previous'])).toEqual(outcomeOf(whole, ['last', 'previous']));
  expect(temporary(out)).toEqual([]);
  return deaths;
}

interface Died {
  readonly pid: number;
  /** Of both ranks. */
  readonly pids: readonly number[];
  readonly sum: number | null;
  readonly seconds: number;
}

/** One launch, to the end of all its processes. */
async function killed(
  launcher: Launcher,
  plan: Plan,
  args: readonly string[],
): Promise<{ readonly died: Died; readonly said: Finished }> {
  mkdirSync(plan.folder);
  const child = launch(launcher, 2, ['--import', 'tsx', DYING, JSON.stringify(plan), MAIN, ...args]);
  const state = { isOver: false };
  const end = finished(child).then((said) => {
    state.isOver = true;
    return said;
  });
  const about = `${plan.place}, rank ${plan.victim}, at ${plan.at}`;
  let traces = tracesOf(plan);
  let secondsSince = 0;
  const areRunning = (): boolean => !state.isOver || traces.some(({ pid }) => pid !== null && isRunning(pid));
  while (areRunning() && secondsSince < SECONDS) {
    await delay(5);
    traces = tracesOf(plan);
    const time = traces.map(({ kill }) => kill).find((found) => found !== null)?.time;
    secondsSince = time === undefined ? 0 : (Date.now() - time) / 1000;
  }
  const left = traces.flatMap(({ pid }) => (pid !== null && isRunning(pid) ? [pid] : []));
  for (const pid of left) process.kill(pid, 'SIGKILL');
  if (!state.isOver) child.kill('SIGKILL');
  expect(secondsSince, `${about}: processes ${left.join(', ')} run on`).toBeLessThan(SECONDS);
  const said = await end;
  const [victim, other] = [traces[plan.victim]!, traces[1 - plan.victim]!];
  const killer = traces.find(({ kill }) => kill !== null);
  // One who has ended before it could be killed shows here.
  expect(killer?.kill?.pid, `${about}: ${said.stderr}`).toBe(victim.pid);
  requirePlace(plan, victim, other, about);
  const pids = traces.flatMap(({ pid }) => (pid === null ? [] : [pid]));
  return { died: { pid: victim.pid!, pids, sum: victim.sum, seconds: secondsSince }, said };
}

/** What a rank wrote down. */
interface Trace {
  readonly lines: readonly string[];
  readonly pid: number | null;
  /** Whom it killed, and when. */
  readonly kill: { readonly pid: number; readonly time: number } | null;
  /** The sum that it has entered and not left. */
  readonly sum: number | null;
}

function tracesOf({ folder }: Plan): readonly Trace[] {
  return [0, 1].map((rank) => {
    const path = join(folder, `rank-${rank}.txt`);
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
    const numbersOf = (word: string): readonly number[] | undefined =>
      lines
        .findLast((line) => line.startsWith(`${word} `))
        ?.split(' ')
        .slice(1)
        .map(Number);
    const [[pid = null] = [], kill, [entered = 0] = [], [left = 0] = []] = [
      numbersOf('pid'),
      numbersOf('kill'),
      numbersOf('in'),
      numbersOf('out'),
    ];
    return {
      ...{ lines, pid, sum: entered > left ? entered : null },
      kill: kill === undefined ? null : { pid: kill[0]!, time: kill[1]! },
    };
  });
}

/** The rank died where it should. Of the renames the folder tells too. */
function requirePlace({ place, at, victim: rank }: Plan, victim: Trace, other: Trace, about: string): void {
  const entered = (trace: Trace, number: number): number => trace.lines.indexOf(`in ${number}`);
  switch (place) {
    case 'anywhere':
      return;
    case 'waits in a sum': {
      expect(victim.sum, about).toBe(at);
      // The other one entered after the kill, or was ended before it could.
      const kill = other.lines.findIndex((line) => line.startsWith('kill '));
      expect(kill, about).toBeGreaterThan(-1);
      expect(entered(other, at) === -1 || entered(other, at) > kill, about).toBe(true);
      return;
    }
    case 'is awaited in a sum':
      expect([victim.sum, other.sum], about).toEqual([at, at]);
      return;
    case 'sums':
      expect(victim.sum, about).toBeGreaterThanOrEqual(at);
      expect(entered(other, victim.sum!), about).toBeGreaterThan(-1);
      return;
    case 'before the rename':
    case 'after the rename':
      expect((rank === 0 ? victim : other).lines, about).toContain(place);
  }
}

/**
 * One line says that a process of the job was killed, and no rank says anything of its own. Mostly it is the launcher's, which may name
 * the other process: MPICH has ended that one itself. A rank that was just reading from the killed one is ended by UCX, whose line names
 * the killed one; the launcher's is of the other then. Returns how it was told.
 */
function requireNotice(
  { name }: Launcher,
  { victim }: Plan,
  { pid, pids }: Died,
  { code, stdout, stderr }: Finished,
): Notice {
  const all = `${stdout}\n${stderr}`;
  expect(code, all).not.toBe(0);
  expect(all).not.toMatch(/^error|DEFECT|^\s+at .*:\d+:\d+\)?$|backtrace|Fatal error|Assertion|RANKS_/m);
  const read = all.match(/^.*process_vm_readv\(pid=\d+.*No such process$/gm);
  if (read !== null) {
    expect(read, all).toHaveLength(1);
    expect(read[0], all).toContain(`(pid=${pid} `);
    return 'UCX named it';
  }
  const [line, process, named, known] =
    name === 'MPICH'
      ? [/^.*EXIT STRING: Killed \(signal 9\)$/gm, /PID (\d+) RUNNING/, pid, pids]
      : [/^.*exited on signal 9 \(Killed\)\.$/gm, /process rank (\d+) /, victim, [0, 1]];
  expect(all.match(line) ?? [], all).toHaveLength(1);
  const number = Number(process.exec(all)?.[1]);
  expect(known, all).toContain(number);
  return number === named ? 'the launcher named it' : 'the launcher named the other';
}

/** A launch that has come so far as to say where it goes on says this step. */
function requireStart({ stderr }: Finished, step: number): number | null {
  const found = /steps in \d+ epochs(?:, going on at step (\d+))?;/.exec(stderr);
  if (found === null) return null;
  expect(Number(found[1] ?? 0), stderr).toBe(step);
  return step;
}

/** Unfinished files of checkpoints. */
function temporary(run: string): readonly string[] {
  const folder = join(run, 'checkpoints');
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.tmp')) : [];
}

/**
 * What a kill left: `last` and `previous` are whole and of the same run, and around a rename either file is. Returns the step of `last`.
 */
function requireWhole(run: string, whole: string, { place, at }: Plan, from: number): number {
  const fileOf = (name: string): string => join(run, 'checkpoints', name);
  const last = existsSync(fileOf('last.safetensors')) ? readCheckpoint(fileOf('last.safetensors')) : null;
  const step = last?.step ?? 0;
  // What was saved stays.
  expect(step).toBeGreaterThanOrEqual(from);
  if (last !== null) requireSameWeights(last, whole);
  if (existsSync(fileOf('previous.safetensors'))) {
    const previous = readCheckpoint(fileOf('previous.safetensors'));
    requireSameWeights(previous, whole);
    // Before the rename both are names of one file.
    expect(previous.step).toBe(place === 'before the rename' ? step : previous.step);
    expect([step, step - EPOCH.steps]).toContain(previous.step);
  }
  const unfinished = temporary(run).filter((name) => name.includes('last'));
  if (place === 'before the rename') {
    expect(unfinished).toHaveLength(1);
    const next = readCheckpoint(fileOf(unfinished[0]!));
    expect([step, next.step]).toEqual([from + (at - 1) * EPOCH.steps, from + at * EPOCH.steps]);
    requireSameWeights(next, whole);
  }
  if (place === 'after the rename') {
    expect(unfinished).toEqual([]);
    expect(step).toBe(from + at * EPOCH.steps);
  }
  return step;
}

/** Weights and running statistics are those that the run left alone had at that step. */
function requireSameWeights(checkpoint: Checkpoint, whole: string): void {
  const epoch = checkpoint.step / EPOCH.steps;
  const name = `epoch-${String(epoch).padStart(5, '0')}.safetensors`;
  const kept = readCheckpoint(join(whole, 'checkpoints', name));
  expect(kept.step).toBe(checkpoint.step);
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength);
  for (const [tensor, { data }] of kept.tensors)
    expect(bytes(checkpoint.tensors.get(tensor)!.data).equals(bytes(data)), tensor).toBe(true);
}
