/**
 * What a command says and where: with `--json` one JSON object on stdout and everything human on stderr, otherwise
 * results on stdout and progress on stderr. A progress bar on a terminal, plain lines off it.
 */
import { writeSync } from 'node:fs';
import { Presets, SingleBar } from 'cli-progress';

/** Seconds between plain progress lines. */
const LINE_SECONDS = 5;

export interface Progress {
  /** `note` says what cannot be seen from the numbers. */
  update(done: number, total: number, note?: string): void;
  /** Something to say while the bar goes on. */
  say(text: string): void;
  end(): void;
}

/** What a long operation tells while it runs. */
export interface Watch {
  readonly onProgress: (done: number, total: number, note?: string) => void;
  readonly onNote: (text: string) => void;
}

export class Output {
  readonly json: boolean;
  /** Of several processes that do the same, one speaks. */
  readonly #isSilent: boolean;

  constructor(json: boolean, isSilent = false) {
    this.json = json;
    this.#isSilent = isSilent;
  }

  /** A result for people: stdout, or stderr beside a JSON object. */
  print(text: string): void {
    this.#write(this.json ? 2 : 1, `${visible(text)}\n`);
  }

  /** What came of a command: `value` for `--json`, `text` for people. */
  tell(value: unknown, text: string): void {
    this.result(value);
    this.print(text);
  }

  /** A remark for people: always stderr. */
  note(text: string): void {
    this.#write(2, `${visible(text)}\n`);
  }

  /** A table for programs, piece by piece: stdout, as it is. */
  table(text: string): void {
    this.#write(1, text);
  }

  /** The one object of `--json`; nothing without it. */
  result(value: unknown): void {
    if (this.json) this.#write(1, `${JSON.stringify(value)}\n`);
  }

  /**
   * Shows how `work` gets on while it runs. What it is given fits the options of every long operation. One that
   * `knowsTime` says the time left in its notes, and nothing else is said of it.
   */
  async during<Result>(
    label: string,
    unit: string,
    work: (watch: Watch, progress: Progress) => Result | Promise<Result>,
    knowsTime = false,
  ): Promise<Result> {
    const progress = this.progress(label, unit, knowsTime);
    try {
      const watch: Watch = {
        onProgress: (done, total, note) => {
          progress.update(done, total, note);
        },
        onNote: (text) => {
          progress.say(`note: ${text}`);
        },
      };
      return await work(watch, progress);
    } finally {
      progress.end();
    }
  }

  /** Progress of something long, `unit` being what is counted. */
  progress(label: string, unit: string, knowsTime = false): Progress {
    if (this.#isSilent) return NO_PROGRESS;
    return process.stderr.isTTY ? bar(label, unit, knowsTime) : lines(label, unit, knowsTime);
  }

  #write(stream: 1 | 2, text: string): void {
    if (!this.#isSilent) write(stream, text);
  }
}

const NO_PROGRESS: Progress = { update: () => undefined, say: () => undefined, end: () => undefined };

/** Whole or not at all, whatever the stream is connected to; a reader that has gone away ends the program quietly. */
function write(stream: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(stream, bytes, done);
    } catch (thrown) {
      const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
      if (code === 'EAGAIN') continue;
      if (code === 'EPIPE') process.exit(stream === 1 ? 0 : process.exitCode);
      throw thrown;
    }
  }
}

function bar(label: string, unit: string, knowsTime: boolean): Progress {
  const shown = new SingleBar(
    {
      format: `${label} [{bar}] {percentage}% {value}/{total} ${unit} ·${knowsTime ? '' : ' {eta_formatted} left'} {note}`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 50,
      fps: 5,
    },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update(done, total, note = '') {
      if (started) {
        shown.setTotal(total);
        shown.update(done, { note: oneLine(note) });
      } else shown.start(total, done, { note: oneLine(note) });
      started = true;
    },
    say(text) {
      if (started) process.stderr.write('\r\u001b[K');
      write(2, `${visible(text)}\n`);
    },
    end() {
      if (started) shown.stop();
    },
  };
}

function lines(label: string, unit: string, knowsTime: boolean): Progress {
  const started = performance.now();
  let first: number | undefined;
  let last = 0;
  let told: number | undefined;
  return {
    update(done, total, note = '') {
      const now = performance.now();
      first ??= done;
      if (done < total && now - last < LINE_SECONDS * 1000) return;
      if (done === told) return;
      last = now;
      told = done;
      const made = done - first;
      const left = made > 0 ? ((now - started) / 1000 / made) * (total - done) : undefined;
      const time = knowsTime || left === undefined || done >= total ? '' : `, ${duration(left)} left`;
      write(2, `${label}: ${done}/${total} ${unit}${time}${note === '' ? '' : ` · ${oneLine(note)}`}\n`);
    },
    say(text) {
      write(2, `${visible(text)}\n`);
    },
    // Every line is whole already.
    end: () => undefined,
  };
}

/**
 * Text with control characters as escapes, but for line feeds: a file name must not move the cursor, change colours or
 * the direction of writing.
 */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (letter) =>
    letter === '\n' ? letter : escaped(letter),
  );
}

/** As `visible`, and with line feeds as escapes: a file name on one line. */
export function oneLine(text: string): string {
  return visible(text).replaceAll('\n', escaped('\n'));
}

function escaped(letter: string): string {
  if (letter === '\n') return '\\n';
  if (letter === '\t') return '\\t';
  return `\\u{${letter.codePointAt(0)!.toString(16)}}`;
}

/** Names listed in a report before it says how many more there are. */
const LISTED = 10;

/** A title with the count, and the first of the items a line each; nothing where there are none. */
export function listed(title: string, items: readonly string[], count = items.length): string[] {
  if (items.length === 0) return [];
  const shown = items.slice(0, LISTED).map((item) => `  ${oneLine(item)}`);
  if (count > LISTED) shown.push(`  … and ${count - LISTED} more (--json lists them)`);
  return [`${title}: ${count}`, ...shown];
}

/** 75 → `1 min 15 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** 1234567 → `1.2 MB`. */
export function byteSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** 0.1234 → `12.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
