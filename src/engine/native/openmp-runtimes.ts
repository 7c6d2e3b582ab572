/**
 * Runtimes of OpenMP, which the vendor's libraries bring: whether a process has one of it. A second runtime of LLVM's family (libomp; Intel's
 * libiomp5) ends a process at its first use, with "OMP: Error #15"; GCC's libgomp lives beside either, with threads of its own.
 */
import { realpathSync } from 'node:fs';
import { UsclError } from '../../base/errors.ts';

/** Names of LLVM's and Intel's runtimes on all systems, and of GCC's; packages of Python add a part of a hash. */
const LLVM = /^lib(i?omp5?|iomp5md|omp140\.\w+)(-[0-9a-f]+)?\.(so(\.\d+)*|dylib|dll)$/i;
const GCC = /^libgomp(-[0-9a-f]+)?\.(so(\.\d+)*|\d+\.dylib|dylib)$/i;

/** Runtimes of OpenMP among files, each file once, by family. */
export interface OpenMpRuntimes {
  readonly llvm: readonly string[];
  readonly gcc: readonly string[];
}

export function openMpAmong(files: readonly string[]): OpenMpRuntimes {
  const of = (names: RegExp): readonly string[] => [
    ...new Set(files.filter((file) => names.test(file.split(/[\\/]/).at(-1)!)).map(real)),
  ];
  return { llvm: of(LLVM), gcc: of(GCC) };
}

/** One name for a file that has several; a file that is not there keeps its own. */
function real(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** Files that this process has loaded, on every system. */
export function loadedFiles(): readonly string[] {
  return (process.report.getReport() as { readonly sharedObjects: readonly string[] }).sharedObjects;
}

/** The error `OPENMP_TWICE` of a second runtime of LLVM's family, to be told before it is used; null where there is none. */
export function openMpFailure(files: readonly string[]): UsclError | null {
  const [first, second] = openMpAmong(files).llvm;
  // Whoever set it has been told by the runtime itself that results may be wrong.
  const isAllowed = /^(1|true|yes|on)$/i.test(process.env['KMP_DUPLICATE_LIB_OK'] ?? '');
  if (first === undefined || second === undefined || isAllowed) return null;
  return new UsclError({
    kind: 'resource',
    code: 'OPENMP_TWICE',
    message: `Two OpenMP runtimes would run in this process, ${first} and ${second}: the second would end it ("OMP: Error #15").`,
    where: second,
    remedy:
      'Use one backend in a program (--backend onednn, or --backend torch), or a oneDNN and a PyTorch that share one OpenMP, as ' +
      'those of one conda environment do (USCL_DNNL and USCL_TORCH name them).',
  });
}
