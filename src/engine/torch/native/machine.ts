/** This machine, as the search for PyTorch sees it: files, and Pythons that are asked where their package is. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Machine } from './search.ts';

/** Finds the package without importing it, which would take seconds. */
const FIND = `import importlib.util
spec = importlib.util.find_spec('torch')
print(spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else '')`;
const PATIENCE_MS = 10_000;

export function thisMachine(): Machine {
  return {
    platform: process.platform,
    environment: process.env,
    home: homedir(),
    exists: existsSync,
    read: (file) => {
      try {
        return readFileSync(file, 'utf8');
      } catch {
        return null;
      }
    },
    packageOf: (python) => {
      // -I: neither the working folder nor variables may put another package in front.
      const { status, stdout } = spawnSync(python, ['-I', '-c', FIND], {
        encoding: 'utf8',
        timeout: PATIENCE_MS,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const folder = status === 0 ? stdout.trim() : '';
      return folder === '' ? null : folder;
    },
  };
}
