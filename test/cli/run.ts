/** The real program, compiled, as a child process. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Compiles the program where a source is newer than it; for `beforeAll`. */
export function compileProgram(): void {
  execFileSync('sh', [join(ROOT, 'scripts', 'setup.sh')], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Starts `uscl ARGS`. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
}

/** Waits for the end of a program. */
export function finished(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  const parts = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (parts.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (parts.stderr += chunk.toString()));
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal, ...parts });
    });
  });
}

/** Runs `uscl ARGS` to its end. */
export function uscl(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return finished(start(args, env));
}
