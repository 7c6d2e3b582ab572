/** A method from a file that a run goes on with has the text that the run began with. */
import { methodNamed } from '../methods/registry.ts';
import type { Config } from './config.ts';
import { resumeChanged } from './resume.ts';

/** Refuses another text of a method. `key`: where the configuration has the method. Error: `RESUME_CHANGED`. */
export function requireSameText(saved: Config['method'], key: 'method' | 'unlabelled'): void {
  const { name, sha256 } = methodNamed(saved.name);
  if (saved['sha256'] === sha256) return;
  throw resumeChanged(
    `key ${key}.sha256`,
    `The file of the method "${name}" is not what it was when the run was started: its text has changed.`,
    'Name the file as it was when the run began, or start a new run in another folder.',
  );
}
