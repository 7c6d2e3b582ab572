/**
 * Ranks with GPUs: each takes one of its machine, and where all compute on CUDA they sum by NCCL. Nothing of it has run on a GPU yet:
 * tests call NCCL up to the point where it looks for one, and stand-ins beyond it.
 */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Backend } from '../core/backend.ts';
import { flagsOf } from './agreement.ts';
import type { Ranks } from './communicator.ts';
import { type Functions, ID_BYTES, loadNccl } from './nccl/binding.ts';
import { Communicator, newId, versionOf } from './nccl/communicator.ts';
import { GpuRanks } from './gpu-ranks.ts';
import { candidatesOf, VARIABLE } from './nccl/search.ts';

/** Which GPUs CUDA shows to a process, by number or name. It is read when CUDA begins. */
const VISIBLE = 'CUDA_VISIBLE_DEVICES';

/**
 * Lets this process see one GPU of its machine, in the order of the ranks there; what a launcher gave each process stays. Before
 * the first backend is opened. All ranks call it together.
 */
export function takeGpu(ranks: Ranks): void {
  if (ranks.size === 1) return;
  const gpu = gpuOf(placeOnMachine(ranks, hostname()), gpusHere(), process.env[VISIBLE]);
  if (gpu !== null) process.env[VISIBLE] = gpu;
}

/** How many ranks before this one are on the same machine. All ranks ask together. */
export function placeOnMachine(ranks: Ranks, machine: string): number {
  const digest = createHash('sha256').update(machine).digest();
  const all = ranks.gather(Float32Array.from(digest));
  const isHere = (rank: number): boolean => digest.every((byte, i) => all[rank * digest.length + i] === byte);
  return Array.from({ length: ranks.rank }, (_, rank) => rank).filter(isHere).length;
}

/** The GPU of the process at a place among those of a machine with so many GPUs; null: what is visible stays so. */
export function gpuOf(place: number, count: number, visible: string | undefined): string | null {
  const named = visible === undefined ? null : visible.split(',').filter((name) => name.trim() !== '');
  if (named !== null && named.length < 2) return null;
  const gpus = named ?? Array.from({ length: count }, (_, i) => String(i));
  return gpus.length === 0 ? null : gpus[place % gpus.length]!.trim();
}

function gpusHere(): number {
  if (process.platform !== 'linux') return 0;
  return readdirSync('/dev').filter((name) => /^nvidia\d+$/.test(name)).length;
}

/** NCCL as a job would take it. */
export interface FoundNccl {
  readonly file: string;
  readonly version: string;
  readonly functions: Functions;
}

/** Looks for NCCL and loads it; null where there is none. `torch`: the folder of PyTorch's libraries. Error: `NCCL_FAILED`. */
export function findNccl(
  torch: string | null,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): FoundNccl | null {
  for (const file of candidatesOf(torch, environment)) {
    const functions = loadNccl(file);
    if (functions !== null) return { file, version: versionOf(functions), functions };
  }
  return null;
}

/** Whether NCCL was turned off. */
const OFF = 'off';

/** Ranks as a training should have them. Dispose of it when the training is done. */
export interface RanksOnDevices extends Disposable {
  readonly ranks: Ranks;
}

/**
 * Ranks that sum on their GPUs where the backend of each computes on CUDA; else the ranks as they are. `note` is told why NCCL is not
 * used where it might be. All ranks call it together. Error: `NCCL_FAILED`.
 */
export function onDevices(
  ranks: Ranks,
  { onCuda }: Pick<Backend, 'onCuda'>,
  note: (text: string) => void,
  find: () => FoundNccl | null,
): RanksOnDevices {
  const below = { ranks, [Symbol.dispose]: () => undefined };
  if (ranks.size === 1) return below;
  const isOff = process.env[VARIABLE] === OFF;
  const found = onCuda === undefined || isOff ? null : find();
  const states = flagsOf(
    ranks,
    onCuda === undefined ? NO_GPU : isOff ? TURNED_OFF : found === null ? NO_LIBRARY : READY,
  );
  if (states.every((state) => state === NO_GPU)) return below;
  const other = states.findIndex((state) => state !== READY);
  if (other !== -1) {
    note(`Sums go through the memory of the host: rank ${other} ${REASONS[states[other]!]!}.`);
    return below;
  }
  const communicator = new Communicator(found!.functions, ranks, sharedId(ranks, found!.functions));
  const own = new GpuRanks(ranks, communicator, found!.version, onCuda!);
  return {
    ranks: own,
    [Symbol.dispose]: () => {
      own[Symbol.dispose]();
    },
  };
}

const [READY, NO_GPU, TURNED_OFF, NO_LIBRARY] = [0, 1, 2, 3];
const REASONS: Readonly<Record<number, string>> = {
  [NO_GPU]: 'does not compute on CUDA',
  [TURNED_OFF]: `was started with ${VARIABLE}=${OFF}`,
  [NO_LIBRARY]: `has found no NCCL (pip install nvidia-nccl-cu13, or ${VARIABLE} names its file)`,
};

/** The id that rank 0 makes, on all ranks. */
export function sharedId(ranks: Ranks, functions: Functions): Uint8Array {
  const own = ranks.rank === 0 ? newId(functions) : new Uint8Array(ID_BYTES);
  return Uint8Array.from(ranks.gather(Float32Array.from(own)).subarray(0, ID_BYTES));
}
