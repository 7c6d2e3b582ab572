/**
 * Where an MPI library is looked for. The launcher decides which kinds come first: a process that Open MPI started is alone in
 * the world of another library.
 */
import { basename, join } from 'node:path';
import { type Abi, LIBRARIES } from './abi.ts';
import type { Launcher } from './launcher.ts';

/** Names a library, and nothing else is looked for. */
export const VARIABLE = 'USCL_MPI';

/** A file that may be an MPI library. One without a folder is looked for by the system's loader. */
export interface Candidate {
  readonly file: string;
  /** Null: its symbols tell. */
  readonly abi: Abi | null;
}

/** What a file turned out to be: a library of this interface, or why it is none. */
export type Look = { readonly abi: Abi } | { readonly reason: string };

export interface Found {
  readonly abi: Abi;
  readonly file: string;
}

const ORDER: Readonly<Record<Launcher | 'none', readonly Abi[]>> = {
  hydra: ['standard', 'mpich'],
  openmpi: ['openmpi', 'standard'],
  pmix: ['standard', 'openmpi', 'mpich'],
  slurm: ['standard', 'mpich', 'openmpi'],
  none: ['standard', 'mpich', 'openmpi'],
};

/** All places in order: the variable alone where it is set; else those of each kind, in environments of Python first. */
export function candidatesOf(
  launcher: Launcher | 'none',
  environment: Readonly<Record<string, string | undefined>>,
): readonly Candidate[] {
  const asked = environment[VARIABLE];
  if (asked !== undefined && asked !== '') return [{ file: asked, abi: null }];
  const folders = ['VIRTUAL_ENV', 'CONDA_PREFIX'].flatMap((name) => {
    const folder = environment[name];
    return folder === undefined || folder === '' ? [] : [join(folder, 'lib')];
  });
  return ORDER[launcher].flatMap((abi) =>
    LIBRARIES[abi].flatMap((name) =>
      [...folders.map((folder) => join(folder, name)), name].map((file) => ({ file, abi })),
    ),
  );
}

/** The interface of a library with these symbols, by its own name where they do not tell; null: it is no MPI library. */
export function abiOf(path: string, has: (symbol: string) => boolean): Abi | null {
  if (!has('MPI_Init_thread')) return null;
  if (has('ompi_mpi_comm_world')) return 'openmpi';
  return basename(path).startsWith('libmpi_abi.') ? 'standard' : 'mpich';
}

/** Looks at candidates in order until one is an MPI library of the kind it should be. */
export function search(
  candidates: readonly Candidate[],
  look: (file: string) => Look,
): { readonly found: Found | null; readonly failures: readonly string[] } {
  const failures: string[] = [];
  for (const { file, abi } of candidates) {
    const seen = look(file);
    if ('reason' in seen) failures.push(`${file}: ${seen.reason}`);
    else if (abi !== null && seen.abi !== abi) failures.push(`${file}: its interface is that of ${seen.abi}`);
    else return { found: { abi: seen.abi, file }, failures };
  }
  return { found: null, failures };
}
