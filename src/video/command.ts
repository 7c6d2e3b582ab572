/**
 * Child processes under bounds: output is capped, silence and total time are limited, an abort kills at once, and
 * no process outlives the call that started it. Knows nothing of video.
 */
import { spawn, type StdioOptions } from 'node:child_process';
import { dataError, messageOf, systemCode, UsclError } from '../base/errors.ts';

export interface Bounds {
  /** Seconds without a byte of output while somebody waits for one; then the process is killed. */
  readonly silenceSeconds: number;
  readonly signal?: AbortSignal | undefined;
  /** What to do where the program is not there. */
  readonly remedy?: string;
}

export interface Ending {
  /** Exit code, or null when a signal ended the process. */
  readonly code: number | null;
  /** First complaints on stderr, at most 16 KiB. */
  readonly complaints: string;
}

export const MAX_COMPLAINTS = 16 * 1024;

/** Starts a program that an abort kills; its complaints are kept. End it in any case. */
export function startProgram(
  program: string,
  args: readonly string[],
  stdio: StdioOptions,
  { silenceSeconds, signal, remedy }: Bounds,
) {
  signal?.throwIfAborted();
  const child = spawn(program, args, { stdio });
  let complaints = '';
  let failure: unknown;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (complaints.length < MAX_COMPLAINTS) complaints += text.slice(0, MAX_COMPLAINTS - complaints.length);
  });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const fail = (thrown: unknown): void => {
    failure ??= thrown;
    kill();
  };
  const closed = new Promise<number | null>((resolve) => {
    child.on('error', (thrown) => {
      failure = thrown;
      // A program that never started emits no `close`.
      if (child.pid === undefined) resolve(null);
    });
    child.on('close', resolve);
  });
  signal?.addEventListener('abort', kill);
  return {
    child,
    fail,
    /** The program is killed where nothing calls this off or refreshes it in time. */
    expectOutput: () =>
      setTimeout(() => {
        const message = `${program} gave no output for ${silenceSeconds} seconds and was stopped.`;
        const remedy = 'Convert the file with another program, or leave it out.';
        fail(dataError('TOOL_SILENT', message, remedy));
      }, silenceSeconds * 1000),
    /** How it ended, when it has. */
    async ending(): Promise<Ending> {
      const code = await closed;
      signal?.throwIfAborted();
      if (failure !== undefined)
        throw failure instanceof UsclError ? failure : toolError(program, failure, remedy);
      return { code, complaints };
    },
    /** Ends it where it still runs. */
    async end(): Promise<void> {
      signal?.removeEventListener('abort', kill);
      kill();
      // Unread output would hold back the `close` event for ever.
      child.stdout?.destroy();
      await closed;
    },
  };
}

/**
 * Runs a program and yields its stdout as it comes (the pipe's back-pressure holds the program back while nobody
 * asks). Returns how it ended. Errors: `TOOL_MISSING`, `TOOL_SILENT`; an abort throws the signal's reason.
 */
export async function* streamOutput(
  program: string,
  args: readonly string[],
  bounds: Bounds,
): AsyncGenerator<Buffer, Ending, undefined> {
  const running = startProgram(program, args, ['ignore', 'pipe', 'pipe'], bounds);
  try {
    const chunks = running.child.stdout![Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    for (;;) {
      const timer = running.expectOutput();
      try {
        const { done, value } = await chunks.next();
        if (done === true) break;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
    return await running.ending();
  } finally {
    await running.end();
  }
}

/** Descriptor of the first of the outputs that `drainOutputs` reads. */
export const FIRST_PIPE = 3;

/** Takes output as it comes. When it returns false, the program is stopped; when it throws, that is the error. */
type OutputTaker = (index: number, bytes: Buffer) => boolean;

/**
 * Runs a program that writes to `count` pipes, descriptors `FIRST_PIPE` on, or to stdout where `count` is 0. All are read
 * at once, so that none holds back the others. Silence is that of all of them. Returns how it ended. Errors: as
 * `streamOutput`, and what `onOutput` throws.
 */
export async function drainOutputs(
  program: string,
  args: readonly string[],
  count: number,
  { onOutput, ...bounds }: Bounds & { readonly onOutput: OutputTaker },
): Promise<Ending> {
  const pipes = Array.from({ length: count }, () => 'pipe' as const);
  const stdout = count === 0 ? 'pipe' : 'ignore';
  const { child, ...running } = startProgram(program, args, ['ignore', stdout, 'pipe', ...pipes], bounds);
  const timer = running.expectOutput();
  for (const [index, pipe] of (count === 0 ? [child.stdout] : child.stdio.slice(FIRST_PIPE)).entries()) {
    pipe?.on('error', running.fail);
    pipe?.on('data', (bytes: Buffer) => {
      timer.refresh();
      try {
        if (!onOutput(index, bytes)) child.kill('SIGKILL');
      } catch (thrown) {
        running.fail(thrown);
      }
    });
  }
  try {
    return await running.ending();
  } finally {
    clearTimeout(timer);
    await running.end();
  }
}

/** As `drainOutputs`, but undefined where it fails: of several files it cannot be told whose fault that is. */
export async function drainTogether(...args: Parameters<typeof drainOutputs>): Promise<Ending | undefined> {
  try {
    return await drainOutputs(...args);
  } catch (thrown) {
    args[3].signal?.throwIfAborted();
    if (thrown instanceof UsclError) return undefined;
    throw thrown;
  }
}

/** Runs a program to its end and returns all of stdout. More than `maxBytes` of it is an error. */
export async function captureOutput(
  program: string,
  args: readonly string[],
  bounds: Bounds & { readonly maxBytes: number },
): Promise<Ending & { readonly output: string }> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const onOutput: OutputTaker = (_, part) => {
    parts.push(part);
    bytes += part.length;
    if (bytes <= bounds.maxBytes) return true;
    const message = `${program} printed more than ${bounds.maxBytes} bytes.`;
    throw dataError('TOOL_OUTPUT', message, 'Leave out this file.');
  };
  const ending = await drainOutputs(program, args, 0, { ...bounds, onOutput });
  return { ...ending, output: Buffer.concat(parts).toString('utf8') };
}

function toolError(
  program: string,
  thrown: unknown,
  remedy = 'Install ffmpeg (Debian: apt-get install ffmpeg), then run the same command again.',
): UsclError {
  const missing = systemCode(thrown) === 'ENOENT';
  return new UsclError({
    kind: 'resource',
    code: 'TOOL_MISSING',
    message: missing
      ? `The program ${program} was not found.`
      : `Cannot run ${program}: ${messageOf(thrown)}.`,
    remedy,
    cause: thrown,
  });
}
