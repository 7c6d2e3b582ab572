/** What every part of the page is given, and the peer it compares with. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { OpenOptions } from '../../src/exports/engine.ts';

export type Device = Exclude<NonNullable<OpenOptions['device']>, 'auto'>;

export interface At {
  readonly device: Device;
  /** A Python with the PyTorch that is compared with. */
  readonly python: string;
  /** A folder for files, removed at the end. */
  readonly scratch: string;
  readonly rehearse: boolean;
  /** Adds a line to the page. */
  readonly tell: (line: string) => void;
}

/** Runs `peer.py` and returns what it prints, which is JSON. */
export function askPeer({ python }: Pick<At, 'python'>, args: readonly string[]): unknown {
  const text = execFileSync(python, [join(import.meta.dirname, 'peer.py'), ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(text);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
