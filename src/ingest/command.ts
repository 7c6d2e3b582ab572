/**
 * Child processes under bounds: output is capped, silence and total time are limited, an abort kills at once, and
 * no process outlives the call that started it. Knows nothing of video.
 */
import { spawn } from 'node:child_process';
import { dataError, messageOf, systemCode, UsclError } from '../base/errors.ts';

export interface Bounds {
  /** Seconds without a byte of output while somebody waits for one; then the process is killed. */
  readonly silenceSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Ending {
  /** Exit code, or null when a signal ended the process. */
  readonly code: number | null;
  /** First complaints on stderr, at most 16 KiB. */
  readonly complaints: string;
}

export const MAX_COMPLAINTS = 16 * 1024;

/**
 * Runs a program and yields its stdout as it comes (the pipe's back-pressure holds the program back while nobody
 * asks). Returns how it ended. Errors: `TOOL_MISSING`, `TOOL_SILENT`; an abort throws the signal's reason.
 */
export async function* streamOutput(
  program: string,
  args: readonly string[],
  bounds: Bounds,
): AsyncGenerator<Buffer, Ending, undefined> {
  bounds.signal?.throwIfAborted();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaints.length < MAX_COMPLAINTS) complaints += text.slice(0, MAX_COMPLAINTS - complaints.length);
  });
  let failure: unknown;
  const closed = new Promise<number | null>((resolve) => {
    child.on('error', (thrown) => {
      failure = thrown;
      // A program that never started emits no `close`.
      if (child.pid === undefined) resolve(null);
    });
    child.on('close', resolve);
  });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  bounds.signal?.addEventListener('abort', kill);
  try {
    const chunks = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    for (;;) {
      const timer = setTimeout(() => {
        failure ??= silence(program, bounds.silenceSeconds);
        kill();
      }, bounds.silenceSeconds * 1000);
      try {
        const { done, value } = await chunks.next();
        if (done === true) break;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
    const code = await closed;
    bounds.signal?.throwIfAborted();
    if (failure !== undefined) throw failure instanceof UsclError ? failure : toolError(program, failure);
    return { code, complaints };
  } finally {
    bounds.signal?.removeEventListener('abort', kill);
    kill();
    // Unread output would hold back the `close` event for ever.
    child.stdout.destroy();
    await closed;
  }
}

/** Descriptor of the first of the outputs that `drainOutputs` reads. */
export const FIRST_PIPE = 3;

export interface DrainBounds extends Bounds {
  /** Takes output as it comes; the buffer is not kept. When it returns false, the program is stopped. */
  readonly onOutput: (index: number, bytes: Uint8Array) => boolean;
}

/**
 * Runs a program that writes to `count` pipes, descriptors `FIRST_PIPE` on, all of which are read at once, so that none
 * holds back the others. Silence is that of all of them. Returns how it ended. Errors: as `streamOutput`.
 */
export async function drainOutputs(
  program: string,
  args: readonly string[],
  count: number,
  { silenceSeconds, signal, onOutput }: DrainBounds,
): Promise<Ending> {
  signal?.throwIfAborted();
  const pipes = Array.from({ length: count }, () => 'pipe' as const);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', ...pipes] });
  let complaints = '';
  let failure: unknown;
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => {
    failure ??= silence(program, silenceSeconds);
    kill();
  }, silenceSeconds * 1000);
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (complaints.length < MAX_COMPLAINTS) complaints += text.slice(0, MAX_COMPLAINTS - complaints.length);
  });
  for (let index = 0; index < count; index++) {
    const pipe = child.stdio[FIRST_PIPE + index];
    pipe?.on('data', (bytes: Buffer) => {
      timer.refresh();
      if (!onOutput(index, bytes)) kill();
    });
    pipe?.on('error', (thrown) => {
      failure ??= thrown;
      kill();
    });
  }
  signal?.addEventListener('abort', kill);
  try {
    const code = await new Promise<number | null>((resolve) => {
      child.on('error', (thrown) => {
        failure = thrown;
        if (child.pid === undefined) resolve(null);
      });
      child.on('close', resolve);
    });
    signal?.throwIfAborted();
    if (failure !== undefined) throw failure instanceof UsclError ? failure : toolError(program, failure);
    return { code, complaints };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
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
  const stream = streamOutput(program, args, bounds);
  for (;;) {
    const { done, value } = await stream.next();
    if (done === true) return { ...value, output: Buffer.concat(parts).toString('utf8') };
    parts.push(value);
    bytes += value.length;
    if (bytes > bounds.maxBytes) {
      await stream.return({ code: null, complaints: '' });
      throw dataError(
        'TOOL_OUTPUT',
        `${program} printed more than ${bounds.maxBytes} bytes.`,
        'Leave out this file.',
      );
    }
  }
}

function silence(program: string, seconds: number): UsclError {
  const message = `${program} gave no output for ${seconds} seconds and was stopped.`;
  return dataError('TOOL_SILENT', message, 'Convert the file with another program, or leave it out.');
}

function toolError(program: string, thrown: unknown): UsclError {
  const missing = systemCode(thrown) === 'ENOENT';
  return new UsclError({
    kind: 'resource',
    code: 'TOOL_MISSING',
    message: missing
      ? `The program ${program} was not found.`
      : `Cannot run ${program}: ${messageOf(thrown)}.`,
    remedy: 'Install ffmpeg (Debian: apt-get install ffmpeg), then run the same command again.',
    cause: thrown,
  });
}
