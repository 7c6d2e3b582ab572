/**
 * Where oneDNN is looked for, in which order, and what is taken. The first library of a major that a binding exists for is;
 * everything that was looked at is kept, for `uscl doctor` and for errors.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsclError } from '../../../base/errors.ts';

/** A file that may be oneDNN. One without a folder is looked for by the system's loader. */
export interface Candidate {
  readonly file: string;
  /** Why it is looked for. */
  readonly from: string;
}

/** What a file turned out to be. */
export type Look =
  | { readonly kind: 'absent'; readonly reason: string }
  /** It can be loaded, and is another library. */
  | { readonly kind: 'foreign'; readonly reason: string }
  | { readonly kind: 'library'; readonly path: string; readonly version: Version };

export type Version = readonly [major: number, minor: number, patch: number];

/** A candidate and what came of it. */
export interface Searched extends Candidate {
  readonly state: 'taken' | 'absent' | 'foreign' | 'unsupported' | 'not tried';
  /** Of oneDNN; null where it is not, or nobody looked. */
  readonly version: string | null;
  /** Where the loader found it. */
  readonly path: string | null;
  /** Why it cannot be oneDNN; null where it can. */
  readonly reason: string | null;
}

/** The library that was taken. */
export interface Taken {
  readonly path: string;
  readonly version: Version;
}

/** What the search hangs on: given in tests. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

export function thisMachine(): Machine {
  return { platform: process.platform, environment: process.env, home: homedir() };
}

/** In the order of the search: docs/engine.md, "Two majors", has the reason. */
export const MAJORS = [2, 3] as const;
export type Major = (typeof MAJORS)[number];

/** The Python package that carries a library of 3.x for Linux on x86-64, and the SHA-256 of its wheel. */
export const WHEEL = {
  name: 'onednn-cpu-gomp',
  version: '2023.2.0',
  sha256: '2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb',
} as const;

/** The folder that `npm run onednn` unpacks a library of 3.x into. */
export function cacheFolder({ environment, home }: Machine): string {
  const base = environment['XDG_CACHE_HOME'];
  // The standard wants other than absolute paths ignored.
  const root = base?.startsWith('/') === true ? base : join(home, '.cache');
  return join(root, 'uscl', `${WHEEL.name}-${WHEEL.version}`);
}

export const VARIABLE = 'USCL_DNNL';
export const INSTALL =
  'Install oneDNN (Debian 12, Ubuntu 22.04: "apt-get install libdnnl2"; Debian 13, Ubuntu 24.04: "apt-get install libdnnl3"; ' +
  'macOS: "brew install onednn"; without rights, on x86-64 Linux: "npm run onednn" in the clone) and run "npx uscl doctor".';

/** All places in order: the variable alone where it is set; else those of each major in turn. */
export function candidatesOf(machine: Machine): readonly Candidate[] {
  const asked = machine.environment[VARIABLE];
  if (asked !== undefined && asked !== '') return [{ file: asked, from: VARIABLE }];
  // No binding exists for these: where nothing else is there, they are named.
  const others = [4, 1].map((major) => ({ file: nameOf(machine, major), from: 'system' }));
  return [...MAJORS.flatMap((major) => placesOf(machine, major)), ...others];
}

/** Where a major may be: the cache, conda, the system, Homebrew. */
export function placesOf(machine: Machine, major: Major): readonly Candidate[] {
  const { platform, environment } = machine;
  const name = nameOf(machine, major);
  const conda = environment['CONDA_PREFIX'];
  const folders = platform === 'darwin' ? ['/opt/homebrew/lib', '/usr/local/lib'] : [];
  return [
    ...(major === 3 ? [{ file: join(cacheFolder(machine), name), from: 'npm run onednn' }] : []),
    ...(conda === undefined || conda === '' ? [] : [{ file: join(conda, 'lib', name), from: 'conda' }]),
    { file: name, from: 'system' },
    ...folders.map((folder) => ({ file: join(folder, name), from: 'Homebrew' })),
  ];
}

function nameOf({ platform }: Machine, major: number): string {
  return platform === 'darwin' ? `libdnnl.${major}.dylib` : `libdnnl.so.${major}`;
}

export function isSupported([major, minor]: Version): boolean {
  return major === 3 || (major === 2 && minor >= 6);
}

/** Looks at candidates in order until one can be taken. */
export function search(
  candidates: readonly Candidate[],
  look: (file: string) => Look,
): { readonly searched: readonly Searched[]; readonly taken: Taken | undefined } {
  const searched: Searched[] = [];
  let taken: Taken | undefined;
  for (const candidate of candidates) {
    const nothing = { ...candidate, version: null, path: null, reason: null };
    if (taken !== undefined) {
      searched.push({ ...nothing, state: 'not tried' });
      continue;
    }
    const found = look(candidate.file);
    if (found.kind !== 'library') {
      searched.push({ ...nothing, state: found.kind, reason: found.reason });
      continue;
    }
    const { path, version } = found;
    if (isSupported(version)) taken = { path, version };
    const state = taken === undefined ? 'unsupported' : 'taken';
    searched.push({ ...nothing, state, path, version: version.join('.') });
  }
  return { searched, taken };
}

/** The error of a search that took nothing: `ONEDNN_VERSION` where there was something, else `ONEDNN_MISSING`. */
export function failureOf(searched: readonly Searched[]): UsclError {
  const asked = searched[0]?.from === VARIABLE;
  const where = asked ? `environment variable ${VARIABLE}` : 'system libraries';
  const unfit = searched.find(({ state }) => state === 'unsupported' || state === 'foreign');
  if (unfit === undefined)
    return new UsclError({
      kind: 'resource',
      code: 'ONEDNN_MISSING',
      message: `oneDNN was not found: ${searched.map(({ file }) => file).join(', ')} cannot be opened.${brokenOf(searched)}`,
      where,
      remedy: INSTALL,
    });
  const { file, version, reason } = unfit;
  return new UsclError({
    kind: 'resource',
    code: 'ONEDNN_VERSION',
    message:
      version === null
        ? `${file} is not oneDNN: ${reason ?? 'it has no version'}.`
        : `${file} is oneDNN ${version}; this release drives 2.6 and later 2.x, and 3.x.`,
    where: file,
    remedy: INSTALL,
  });
}

/** A library that is there and cannot be loaded has a reason of its own, like another library that it needs. */
function brokenOf(searched: readonly Searched[]): string {
  const reasons = searched.flatMap(({ reason }) => (reason === null || reason === NOT_THERE ? [] : [reason]));
  return reasons.length === 0 ? '' : ` ${reasons.join('; ')}.`;
}

/** What is said of a file that does not exist. */
export const NOT_THERE = 'not there';
