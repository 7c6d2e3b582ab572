/** The environment of a run: versions, processor, library, source revision. It is written beside the results. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { BackendDescription } from '../engine/core/backend.ts';
import { ALONE, type Ranks } from '../engine/ranks/communicator.ts';

export interface Environment {
  readonly uscl: string;
  readonly node: string;
  readonly system: string;
  readonly cpu: string;
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  readonly backend: BackendDescription;
  /** Commit of the checkout the program runs from, with `+` where files differ from it; null outside of one. */
  readonly revision: string | null;
  /** The processes that made the run together; missing where it was one. */
  readonly ranks?: { readonly size: number; readonly library: string };
}

/** Where this program is installed. */
export const PACKAGE_ROOT = join(import.meta.dirname, '..', '..');

export function describeEnvironment(
  backend: BackendDescription,
  ranks: Pick<Ranks, 'size' | 'library'> = ALONE,
): Environment {
  const { size, library } = ranks;
  const processors = cpus();
  return {
    uscl: packageVersion(),
    node: process.version,
    system: `${platform()} ${release()}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    processors: processors.length,
    memory: totalmem(),
    backend,
    revision: revision(),
    ...(size === 1 ? {} : { ranks: { size, library } }),
  };
}

/** Version of this package. */
export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  return z.object({ version: z.string() }).parse(parsed).version;
}

/** Commit of the checkout the program runs from, with `+` where files differ from it; null outside of one. */
export function revision(): string | null {
  if (!existsSync(join(PACKAGE_ROOT, '.git'))) return null;
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', PACKAGE_ROOT, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'}`;
  } catch {
    // Without git, or with a checkout of another user: the revision is simply not known.
    return null;
  }
}
