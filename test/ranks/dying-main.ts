/**
 * One of two ranks, of which one is to be killed at a place: the program as it is, with two of the functions that it calls wrapped,
 * MPI's all-reduce and the rename that gives a checkpoint its name. Each rank writes down where it is, line by line, so that a test
 * can see afterwards where the killed one was. Linux only: that a rank waits is seen by the time its processor spends.
 *
 *     node --import tsx test/ranks/dying-main.ts PLAN MAIN ARGUMENTS…
 */
import fs, { appendFileSync, openSync, readFileSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import koffi, { type LibraryHandle } from 'koffi';

/** Where a rank may die. */
export type Place =
  /** So many milliseconds after it has entered a sum; after its start where the sum is 0. */
  | 'anywhere'
  /** It waits in a sum that the other one has not entered. */
  | 'waits in a sum'
  /** It has entered a sum, in which the other one waits. */
  | 'is awaited in a sum'
  /** Both are in a sum. */
  | 'sums'
  /** The temporary file of `last` is written. */
  | 'before the rename'
  /** `last` has its name, and nothing else has happened. */
  | 'after the rename';

export interface Plan {
  /** Traces lie here, as `rank-0.txt` and `rank-1.txt`. */
  readonly folder: string;
  readonly place: Place;
  readonly victim: 0 | 1;
  /** Which sum, or save of `last`, of this process; from 1. */
  readonly at: number;
  /** Milliseconds from there on: of `anywhere` and `sums`. */
  readonly wait: number;
}

/** Ticks of the processor, of 10 ms, after which a rank that should be in a sum waits there. */
const TICKS = 3;

const [, , planText = '', main = '', ...args] = process.argv;
const plan = JSON.parse(planText) as Plan;
const rank = Number(process.env['PMI_RANK'] ?? process.env['OMPI_COMM_WORLD_RANK']);
const other = 1 - rank;
const isVictim = rank === plan.victim;
const traceOf = (of: number): string => join(plan.folder, `rank-${of}.txt`);
const trace = openSync(traceOf(rank), 'a');

function say(line: string): void {
  writeSync(trace, `${line}\n`);
}

/** Holds this rank until it is killed. */
function hold(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function kill(pid: number): void {
  say(`kill ${pid} ${Date.now()}`);
  process.kill(pid, 'SIGKILL');
}

function otherTrace(): readonly string[] {
  return readFileSync(traceOf(other), 'utf8').split('\n');
}

/** Returns the other rank's process when it waits in a sum: it has entered it, and its main thread has been busy since. */
function waiting(number: number): number {
  while (!otherTrace().includes(`in ${number}`)) pause();
  const pid = Number(otherTrace()[0]!.split(' ')[1]);
  const before = ticksOf(pid);
  while (ticksOf(pid) < before + TICKS) pause();
  if (otherTrace().includes(`out ${number}`)) throw new Error(`Rank ${other} has left the sum ${number}.`);
  return pid;
}

/** A millisecond without work. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/** Of a process's main thread. The name in brackets may hold blanks and brackets. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/**
 * Kills this process while its main thread is in the library. `flag` holds the number of the sum that it is in, or 0, and becomes -1
 * where it may not leave the sum any more.
 */
const KILLER = `
  const { appendFileSync, readFileSync } = require('node:fs');
  const { flag, isAnywhere, wait, own, others } = require('node:worker_threads').workerData;
  const kill = () => {
    appendFileSync(own, \`kill \${process.pid} \${Date.now()}\\n\`);
    process.kill(process.pid, 'SIGKILL');
  };
  for (;;) {
    Atomics.wait(flag, 0, 0);
    const number = Atomics.load(flag, 0);
    // It has left the sum already.
    if (number === 0) continue;
    if (isAnywhere) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait);
      kill();
    }
    const isIn = () => Atomics.load(flag, 0) === number;
    while (isIn() && !readFileSync(others, 'utf8').includes(\`in \${number}\\n\`));
    const begun = performance.now();
    while (isIn() && performance.now() < begun + wait);
    if (Atomics.compareExchange(flag, 0, number, -1) === number) kill();
  }`;

const flag = new Int32Array(new SharedArrayBuffer(4));

function startKiller(): void {
  const { place, wait } = plan;
  const isAnywhere = place === 'anywhere';
  if (isAnywhere && plan.at === 0) flag[0] = 1;
  const worker = new Worker(KILLER, {
    eval: true,
    execArgv: [],
    workerData: { flag, isAnywhere, wait, own: traceOf(rank), others: traceOf(other) },
  });
  worker.unref();
}

type Call = (...values: readonly unknown[]) => unknown;

/** The all-reduce, in which one of the ranks dies. */
function dyingSum(real: Call): Call {
  const { place, at } = plan;
  let number = 0;
  return (...values) => {
    number += 1;
    if (number === at && place === 'waits in a sum' && !isVictim) kill(waiting(number));
    say(`in ${number}`);
    if (number === at && place === 'is awaited in a sum' && isVictim) {
      waiting(number);
      kill(process.pid);
    }
    const isDue = isVictim && (place === 'anywhere' ? number === at : place === 'sums' && number >= at);
    if (isDue) {
      Atomics.store(flag, 0, number);
      Atomics.notify(flag, 0);
    }
    const result = real(...values);
    if (isDue && place === 'sums' && Atomics.compareExchange(flag, 0, number, 0) === -1) hold();
    say(`out ${number}`);
    return result;
  };
}

/** The rename of `last`, which rank 0 alone does. */
function dyingRename(real: typeof fs.renameSync): typeof fs.renameSync {
  let saves = 0;
  const dieAt = (place: Place): void => {
    if (place !== plan.place || saves !== plan.at) return;
    say(place);
    kill(isVictim ? process.pid : Number(otherTrace()[0]!.split(' ')[1]));
    hold();
  };
  return (from, to) => {
    const isLast = String(to).endsWith('last.safetensors');
    if (isLast) {
      saves += 1;
      dieAt('before the rename');
    }
    real(from, to);
    if (isLast) dieAt('after the rename');
  };
}

appendFileSync(trace, `pid ${process.pid}\n`);
const load = koffi.load;
koffi.load = (...which) => {
  const library = load(...which);
  const func = (declaration: string): Call => {
    const real = library.func(declaration) as unknown as Call;
    return declaration.includes('MPI_Allreduce(') ? dyingSum(real) : real;
  };
  return { func } as unknown as LibraryHandle;
};
fs.renameSync = dyingRename(fs.renameSync);
syncBuiltinESMExports();
if (isVictim && (plan.place === 'anywhere' || plan.place === 'sums')) startKiller();
process.argv = [process.execPath, main, ...args];
await import(main);
