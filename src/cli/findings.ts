/**
 * What this machine has of what the program needs: where it was found, which version, what it means for speed, and
 * how to mend what is missing. Looks only; changes nothing.
 */
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import sharp from 'sharp';
import { messageOf, UsclError } from '../base/errors.ts';
import type { BackendDescription } from '../engine/core/backend.ts';
import {
  librariesLookedFor,
  lookForTorch,
  openBackend,
  torchLookedFor,
  type SearchedLibrary,
  type SearchedTorch,
} from '../engine/open.ts';
import { findNccl } from '../engine/ranks/gpus.ts';
import { findMpi } from '../engine/ranks/open.ts';
import { findVideoTools } from '../video/ffmpeg.ts';
import { packageVersion } from '../runs/environment.ts';

/** One part of the machine, and how to mend it where it is poor or missing. */
export interface Finding {
  readonly part: string;
  /** `missing`: something does not work without it. `poor`: works, but badly. */
  readonly state: 'good' | 'poor' | 'missing';
  readonly found: string;
  /** What to do about it; null where it is good. */
  readonly mend: string | null;
}

/** What the machine has and lacks. */
export interface Diagnosis {
  readonly version: string;
  readonly findings: readonly Finding[];
  /** What training would run on. */
  readonly backend: BackendDescription;
  /** Where oneDNN was looked for, in order. */
  readonly libraries: readonly SearchedLibrary[];
  /** Where PyTorch was looked for, in order. */
  readonly torch: readonly SearchedTorch[];
}

/** Free bytes below which a run may end early: a ResNet-50 run keeps about 1 GB of checkpoints. */
const ENOUGH_DISK = 2e9;
const ENOUGH_MEMORY = 3e9;

/** Examines the machine; `folder` is where runs would be written. Never throws for anything that is missing. */
export async function examine(folder = '.'): Promise<Diagnosis> {
  const backend = describeBackend();
  const findings = [
    node(),
    processor(backend.description),
    memory(),
    backend.finding,
    torch(),
    await ffmpeg(),
    mpi(),
    nccl(),
    good('sharp', `${sharp.versions.sharp}, libvips ${sharp.versions.vips}`),
    disk(folder),
  ];
  return {
    version: packageVersion(),
    findings,
    backend: backend.description,
    libraries: librariesLookedFor(),
    torch: torchLookedFor(),
  };
}

function good(part: string, found: string): Finding {
  return { part, state: 'good', found, mend: null };
}

function poor(part: string, found: string, mend: string): Finding {
  return { part, state: 'poor', found, mend };
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const found = `${process.version}, ${process.platform} ${process.arch}`;
  if (major > 20 || (major === 20 && minor >= 19)) return good('Node.js', found);
  return poor('Node.js', found, 'Install Node 20.19 or newer.');
}

function processor({ instructionSet, threads, precisions }: BackendDescription): Finding {
  const name = cpus()[0]?.model.trim() ?? 'unknown';
  return good(
    'processor',
    `${name}; ${availableParallelism()} processors usable, ${threads} threads; ${instructionSet}; ` +
      `trains in ${precisions[0] ?? 'f32'}`,
  );
}

function memory(): Finding {
  const found = `${gigabytes(totalmem())} in all, ${gigabytes(freemem())} free`;
  if (totalmem() >= ENOUGH_MEMORY) return good('memory', found);
  return poor(
    'memory',
    found,
    'ResNet-18 at 224 pixels and 32 pairs takes up to 3 GB: use view.size=112 or a smaller batch.size.',
  );
}

/** Opens the fast backend to see whether it works, as training would. */
function describeBackend(): { readonly finding: Finding; readonly description: BackendDescription } {
  try {
    using fast = openBackend({ kind: 'onednn' });
    const description = fast.describe();
    const taken = librariesLookedFor().find(({ state }) => state === 'taken');
    const [major = ''] = taken?.version?.split('.') ?? [];
    return {
      finding: good(
        'oneDNN',
        `${description.library} (interface ${major}.x), ${taken?.path ?? ''}, ${description.threads} OpenMP threads`,
      ),
      description,
    };
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    using slow = openBackend({ kind: 'reference' });
    const found = `${thrown.message} Training falls back to plain TypeScript, about a hundred times slower.`;
    const finding: Finding = { part: 'oneDNN', state: 'missing', found, mend: thrown.remedy };
    return { finding, description: slow.describe() };
  }
}

/** Nothing is amiss without it: one process needs none. */
function mpi(): Finding {
  const found = findMpi();
  if (found === null) return good('MPI', 'none found; for several processes only: docs/ranks.md');
  return good('MPI', `${found.version}, ${found.file}`);
}

/** For several processes with a GPU each. */
function nccl(): Finding {
  const found = findNccl(lookForTorch().folder);
  if (found === null)
    return good('NCCL', 'none found; for several processes with a GPU each only: docs/ranks.md');
  return good('NCCL', `${found.version}, ${found.file}; no test of this release has run it on a GPU`);
}

/** PyTorch is for GPUs; a machine without one does well without it. Looked for, not loaded. */
function torch(): Finding {
  const { version, folder, kernels, likely, openMp } = lookForTorch();
  const shown = likely.length === 0 ? 'the system shows no GPU' : `a GPU may be there (${likely.join(', ')})`;
  const get = 'pip install torch (2.10 or later) into the active environment; docs/torch.md';
  if (folder === null && (process.env['USCL_TORCH'] ?? '') !== '')
    return poor('PyTorch', 'not found where USCL_TORCH says', `Name the folder of its libraries, or ${get}.`);
  if (folder === null)
    return likely.length === 0
      ? good('PyTorch', `not found, not needed: ${shown}`)
      : poor('PyTorch', `not found, and ${shown}`, `To train on it: ${get}.`);
  const has = kernels.length === 0 ? 'the processor alone' : `the processor, ${kernels.join(', ')}`;
  const found = `${version ?? 'of unknown version'}, ${folder}; kernels for ${has}; ${shown}${beside(openMp)}`;
  const failure = openMp?.failure ?? null;
  if (failure !== null) return poor('PyTorch', `${found}. ${failure.message}`, failure.remedy);
  if (likely.length === 0 || likely.some((device) => kernels.includes(device))) return good('PyTorch', found);
  return poor('PyTorch', found, `Its build has no kernels for that GPU: ${get}.`);
}

/** Of two runtimes of OpenMP that live together: oneDNN has been opened, PyTorch has not. */
function beside(openMp: ReturnType<typeof lookForTorch>['openMp']): string {
  if (openMp === null || openMp.loaded.length === 0 || openMp.coming.length === 0) return '';
  return `; its OpenMP would run beside oneDNN’s (${openMp.loaded.join(', ')}), each with threads of its own`;
}

async function ffmpeg(): Promise<Finding> {
  try {
    const { version } = await findVideoTools();
    return good('ffmpeg, ffprobe', version);
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    return { part: 'ffmpeg, ffprobe', state: 'missing', found: thrown.message, mend: thrown.remedy };
  }
}

function disk(folder: string): Finding {
  try {
    const { bavail, bsize } = statfsSync(folder);
    const found = `${gigabytes(bavail * bsize)} free at ${folder}`;
    if (bavail * bsize >= ENOUGH_DISK) return good('disk', found);
    return poor('disk', found, 'Free some space, or write runs to another disk.');
  } catch (thrown) {
    const found = `${folder} cannot be looked at: ${messageOf(thrown)}`;
    return { part: 'disk', state: 'missing', found, mend: 'Give a folder that exists.' };
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
