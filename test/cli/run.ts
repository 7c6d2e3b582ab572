/** The real program, compiled, as a child process. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

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

/** Starts `uscl ARGS`, in the folder `cwd` where one is given. */
export function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd?: string,
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, cwd });
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
export function uscl(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Promise<Finished> {
  return finished(start(args, env, cwd));
}

/** When to kill: so many milliseconds after something has come to be. */
export interface Moment {
  readonly isDue: () => boolean;
  readonly delay: number;
}

/** Runs `uscl ARGS`, killed (SIGKILL) at a moment or left alone. Resolves to the exit code or the signal. */
export async function runUntil(
  args: readonly string[],
  moment: Moment | null,
): Promise<number | NodeJS.Signals | null> {
  const child = start(args);
  child.stdout.resume();
  child.stderr.resume();
  const state = { running: true };
  const exit = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', (code, signal) => {
      state.running = false;
      resolve(code ?? signal);
    });
  });
  if (moment !== null) {
    while (state.running && !moment.isDue()) await delay(1);
    await Promise.race([delay(moment.delay), exit]);
    child.kill('SIGKILL');
  }
  return exit;
}

/** Whole lines of a file that may not be there yet. */
export function linesIn(path: string): number {
  try {
    return readFileSync(path, 'utf8').split('\n').length - 1;
  } catch {
    return 0;
  }
}
