/**
 * Where PyTorch's libraries are looked for, in which order, and what is taken. Python is asked where its package is, which does
 * not import it. Everything that was looked at is kept, for `uscl doctor` and for errors. Nothing is loaded here.
 */
import { posix, win32 } from 'node:path';
import { UsclError } from '../../../base/errors.ts';

/** What the search hangs on: given in tests. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Whether a file is there. */
  readonly exists: (file: string) => boolean;
  /** The text of a file, or null. */
  readonly read: (file: string) => string | null;
  /** The folder of the package `torch` that a Python would import; null where it has none, or cannot be run. */
  readonly packageOf: (python: string) => string | null;
}

/** A place, and what came of it. */
export interface SearchedTorch {
  /** A folder of libraries, or the Python that was asked for one. */
  readonly place: string;
  /** Why it is looked at. */
  readonly from: string;
  readonly state: 'taken' | 'absent' | 'unsupported' | 'not tried';
  /** Of PyTorch, as its package says; null where it does not. */
  readonly version: string | null;
  /** The folder of its libraries; null where there is none. */
  readonly folder: string | null;
}

/** The libraries that were taken. */
export interface TakenTorch {
  readonly folder: string;
  readonly version: string | null;
}

export const VARIABLE = 'USCL_TORCH';
/** The version of the Python package that `npm run torch` unpacks libraries from: the oldest that is driven. */
export const WHEEL_VERSION = '2.10.0';

export const INSTALL =
  'Activate a Python environment that has PyTorch 2.10 or later ("pip install torch"), or name the folder of its libraries ' +
  '(USCL_TORCH=…/torch/lib), or, on x86-64 Linux without Python’s, run "npm run torch" in the clone; then run "npx uscl doctor".';

type Place = Pick<SearchedTorch, 'place' | 'from'> & { readonly folder: () => string | null };

/** The folder that `npm run torch` unpacks the libraries of a version into. */
export function cacheFolder(
  { environment, home, platform }: Pick<Machine, 'environment' | 'home' | 'platform'>,
  version: string = WHEEL_VERSION,
): string {
  const paths = pathsOf(platform);
  const base = environment['XDG_CACHE_HOME'];
  // The standard wants other than absolute paths ignored.
  const root = base !== undefined && paths.isAbsolute(base) ? base : paths.join(home, '.cache');
  return paths.join(root, 'uscl', `torch-${version}`, 'lib');
}

/** All places in order: the variable alone where it is set; else active Pythons, then the cache. */
function placesOf(machine: Machine): readonly Place[] {
  const { platform, environment } = machine;
  const asked = environment[VARIABLE];
  if (asked !== undefined && asked !== '') return [{ place: asked, from: VARIABLE, folder: () => asked }];
  const paths = pathsOf(platform);
  const ofPython = (python: string, from: string): Place => ({
    place: python,
    from,
    folder: () => {
      const found = machine.packageOf(python);
      return found === null ? null : paths.join(found, 'lib');
    },
  });
  const inside = (variable: string, ...parts: readonly string[]): readonly Place[] => {
    const root = environment[variable];
    return root === undefined || root === '' ? [] : [ofPython(paths.join(root, ...parts), variable)];
  };
  const isWindows = platform === 'win32';
  const cache = cacheFolder(machine);
  return [
    ...inside('VIRTUAL_ENV', ...(isWindows ? ['Scripts', 'python.exe'] : ['bin', 'python'])),
    ...inside('CONDA_PREFIX', ...(isWindows ? ['python.exe'] : ['bin', 'python'])),
    ofPython(isWindows ? 'python' : 'python3', 'PATH'),
    { place: cache, from: 'npm run torch', folder: () => cache },
  ];
}

/** The name of one of PyTorch's libraries on a platform, as `torch_cpu` is libtorch_cpu.so on Linux. */
export function fileNameOf(platform: NodeJS.Platform, library: string): string {
  if (platform === 'win32') return `${library}.dll`;
  return `lib${library}${platform === 'darwin' ? '.dylib' : '.so'}`;
}

/** Whether a folder has one of PyTorch's libraries. */
export function hasLibrary(
  { platform, exists }: Pick<Machine, 'platform' | 'exists'>,
  folder: string,
  library: string,
): boolean {
  return exists(pathsOf(platform).join(folder, fileNameOf(platform, library)));
}

/** 2.10 brought lists and the versioned dispatcher to the stable interface. */
export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major === 2 && minor >= 10;
}

/** Looks at places in order until one can be taken. */
export function searchTorch(machine: Machine): {
  readonly searched: readonly SearchedTorch[];
  readonly taken: TakenTorch | undefined;
} {
  const searched: SearchedTorch[] = [];
  let taken: TakenTorch | undefined;
  for (const { place, from, folder: find } of placesOf(machine)) {
    const nothing = { place, from, version: null, folder: null };
    if (taken !== undefined) {
      searched.push({ ...nothing, state: 'not tried' });
      continue;
    }
    const folder = find();
    if (folder === null || !hasLibrary(machine, folder, 'torch_cpu')) {
      searched.push({ ...nothing, state: 'absent' });
      continue;
    }
    const version = versionIn(machine, folder);
    // A folder without its package says nothing of its version before it is loaded; the library does then.
    if (version === null || isSupported(version)) taken = { folder, version };
    searched.push({ place, from, folder, version, state: taken === undefined ? 'unsupported' : 'taken' });
  }
  return { searched, taken };
}

/** What the package beside a folder of libraries says of its version. */
function versionIn({ platform, read }: Machine, folder: string): string | null {
  const text = read(pathsOf(platform).join(folder, '..', 'version.py'));
  return /^__version__ = '([^']+)'/m.exec(text ?? '')?.[1] ?? null;
}

/** The error of a search that took nothing: `TORCH_VERSION` where there was an old one, else `TORCH_MISSING`. */
export function failureOf(searched: readonly SearchedTorch[]): UsclError {
  const old = searched.find(({ state }) => state === 'unsupported');
  if (old !== undefined)
    return versionFailure(old.version ?? 'of an unknown version', old.folder ?? old.place);
  return new UsclError({
    kind: 'resource',
    code: 'TORCH_MISSING',
    message: `PyTorch was not found: ${searched.map(({ place, from }) => `${place} (${from})`).join(', ')} have none.`,
    where: searched[0]?.from === VARIABLE ? `environment variable ${VARIABLE}` : 'Python environments',
    remedy: INSTALL,
  });
}

/** The error of a PyTorch that is not driven. */
export function versionFailure(version: string, where: string): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'TORCH_VERSION',
    message: `PyTorch ${version} was found; this release drives 2.10 and later 2.x.`,
    where,
    remedy: INSTALL,
  });
}

/** How paths are written on a platform. */
export function pathsOf(platform: NodeJS.Platform): typeof posix {
  return platform === 'win32' ? win32 : posix;
}
