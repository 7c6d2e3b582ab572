/**
 * The frame around every command: signals, errors and exit codes. 0 done, 2 usage, 3 data, 4 numeric, 5 resources,
 * 130/143 after SIGINT/SIGTERM, 1 a defect of this program (the only case that shows a stack).
 */
import { type Command, CommanderError, Option } from 'commander';
import { messageOf, usageError, UsclError } from '../base/errors.ts';
import { BACKEND_CHOICES, DEVICE_CHOICES } from '../engine/core/backend.ts';
import { isElsewhere } from '../engine/ranks/meeting.ts';
import { launchedAs } from '../engine/ranks/open.ts';
import { Output } from './output.ts';

/** Exit codes of signals, by the shell's convention of 128 + number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Thrown by a command that stopped in good order because of a signal. */
export class Stopped extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'Stopped';
  }
}

/**
 * Gives a command `--json` and what it does with what it is given. It sets the exit code and never throws. Of several processes
 * that mpirun or srun started only the first speaks, but for errors; a command that is not for several refuses.
 */
export function withAction(
  command: Command,
  body: (output: Output, signal: AbortSignal, ...given: never[]) => Promise<void> | void,
  processes: 'one' | 'several' = 'one',
): Command {
  command.option('--json', 'print one JSON object on stdout, everything else on stderr');
  return command.action((...given: unknown[]) => {
    const rank = launchedAs()?.rank ?? 0;
    const output = new Output(command.opts<{ json?: true }>().json === true, rank > 0);
    return run(output, rank, (signal) => {
      if (processes === 'one') requireOne(command.name());
      return body(output, signal, ...(given as never[]));
    });
  });
}

/** Error: `RANKS_UNSUPPORTED` where a launcher started several processes. */
function requireOne(command: string): void {
  const seat = launchedAs();
  if (seat === null) return;
  throw usageError(
    'RANKS_UNSUPPORTED',
    `uscl ${command} is one process; a launcher (mpirun, srun) has started ${seat.size ?? 'several'}.`,
    'Start it without the launcher: of all commands, pretrain, finetune and study work in several processes.',
  );
}

async function run(
  output: Output,
  rank: number,
  body: (signal: AbortSignal) => Promise<void> | void,
): Promise<void> {
  const controller = new AbortController();
  let received: keyof typeof SIGNALS | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const name = signal === 'SIGTERM' ? 'SIGTERM' : 'SIGINT';
    if (received !== undefined) process.exit(SIGNALS[name]);
    received = name;
    output.note(`\n${name}: stopping in good order; once more stops at once.`);
    controller.abort(new Stopped('Stopped.'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await body(controller.signal);
  } catch (thrown) {
    process.exitCode = report(thrown, output, rank, received);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function report(
  raised: unknown,
  output: Output,
  rank: number,
  signal: keyof typeof SIGNALS | undefined,
): number {
  const thrown = firstOf(raised);
  // Another process may have heard the signal.
  if (thrown instanceof Stopped || (signal !== undefined && isAbort(thrown))) {
    if (thrown instanceof Stopped) output.note(thrown.message);
    return SIGNALS[signal ?? 'SIGINT'];
  }
  if (rank > 0) return reportOf(rank, thrown);
  if (thrown instanceof UsclError) {
    output.note(`error: ${thrown.describe()}`);
    const { code, message, where = null, remedy, facts } = thrown;
    output.result({ error: { code, message, where, remedy }, ...facts });
    return thrown.exitCode;
  }
  output.note(`This is a defect of uscl, please report it:\n${stackOf(thrown)}`);
  output.result({
    error: { code: 'DEFECT', message: messageOf(thrown), where: null, remedy: 'Please report it.' },
  });
  return 1;
}

/** Errors that all processes meet alike, and the first tells. */
const ALIKE: readonly string[] = ['RANKS_UNSUPPORTED', 'RANKS_DIFFER', 'STUDY_FAILED'];

/** The error of a process that does not speak otherwise, unless it only follows another one's. */
function reportOf(rank: number, thrown: unknown): number {
  const known = thrown instanceof UsclError;
  if (known && (isElsewhere(thrown) || ALIKE.includes(thrown.code))) return thrown.exitCode;
  const text = known ? thrown.describe() : `This is a defect of uscl, please report it:\n${stackOf(thrown)}`;
  new Output(false).note(`error (rank ${rank}): ${text}`);
  return known ? thrown.exitCode : 1;
}

/** What went wrong first, where closing something failed on top of it. */
function firstOf(thrown: unknown): unknown {
  const wrapped = thrown instanceof Error && thrown.name === 'SuppressedError' && 'suppressed' in thrown;
  return wrapped ? firstOf(thrown.suppressed) : thrown;
}

function stackOf(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.stack : undefined) ?? messageOf(thrown);
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

/** Exit code of what commander threw: 0 for help and version, 2 for a command line that is wrong. */
export function usageExitCode(thrown: unknown): number {
  if (!(thrown instanceof CommanderError)) throw thrown;
  return thrown.exitCode === 0 ? 0 : 2;
}

/** `OPTION_INVALID`: what an option was given is not what it takes. */
export function optionError(name: string, takes: string, text: string, remedy: string): UsclError {
  const message = `${name} must ${takes}, not "${text}".`;
  return usageError('OPTION_INVALID', message, remedy, { where: name });
}

const SEE_HELP = 'See --help for what it means.';

/** An option that takes a whole number. */
export function whole(flags: string, text: string, low: number, high?: number): Option {
  return new Option(flags, text).argParser(wholeNumber(flags.split(' ')[0]!, low, high));
}

/** A parser of whole numbers for commander, with the range in its error. */
function wholeNumber(name: string, low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = high === Number.MAX_SAFE_INTEGER ? `of at least ${low}` : `from ${low} to ${high}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= low && value <= high) return value;
    throw optionError(name, `be a whole number ${range}`, text, SEE_HELP);
  };
}

/** A parser of numbers from 0 to 1 for commander. */
export function share(name: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && value <= 1) return value;
    throw optionError(name, 'be a number from 0 to 1', text, SEE_HELP);
  };
}

/** A parser of `--fps`: a positive number, or `all`. */
export function frameRate(text: string): number | 'all' {
  if (text === 'all') return 'all';
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw optionError('--fps', 'be a number above 0 or "all"', text, 'Use 5 for five frames a second.');
}

/** Collects a repeatable option. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** An option that takes one of several words. */
export function choice(flags: string, text: string, words: readonly string[]): Option {
  return new Option(flags, text).choices(words);
}

/** `--frames` of commands that judge clips by a model. */
export function framesOption(): Option {
  const parse = wholeNumber('--frames', 1);
  return new Option('--frames <number>', 'frames of a clip to look at, even in time, or all')
    .argParser((text) => (text === 'all' ? text : parse(text)))
    .default('all');
}

/** `--pictures` of commands that read files. */
export function picturesOption(): Option {
  const text = 'folders of pictures are clips (frames) or collections (stills)';
  return choice('--pictures <how>', text, ['auto', 'frames', 'stills']).default('auto');
}

/** Draws of a bootstrap: `--resamples` and `--seed`. */
export function withDraws(command: Command): Command {
  return command
    .addOption(whole('--resamples <number>', 'draws of the bootstrap', 100, 1_000_000).default(2000))
    .addOption(whole('--seed <number>', 'of the draws', 0).default(0));
}

/** `--backend` and `--device`. */
export function withBackend(command: Command): Command {
  return command
    .addOption(choice('--backend <name>', 'what computes', BACKEND_CHOICES).default('auto'))
    .addOption(choice('--device <name>', 'of the backend torch', DEVICE_CHOICES).default('auto'));
}

/** `--backend`, `--device`, `--threads` and `--precision`, as commands that put a model to use have them. */
export function withMachine(
  command: Command,
  precision = 'of activations (default: the fastest here)',
): Command {
  return withBackend(command)
    .addOption(whole('--threads <number>', 'threads of the kernels (default: all processors)', 1, 1024))
    .addOption(choice('--precision <which>', precision, ['f32', 'bf16']));
}
