/**
 * A built checkout, driven by its command line alone in a folder of its own, and the record of what it said. Paths are
 * relative, so that no record holds where it was made.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isList, outline, type OutlineOptions, sha, spoken, type Tree, type Value } from './record.ts';

/** Options of a build that has other names for them: `{ finetune: { '--label-rate': '--rates' } }`. */
export type Renames = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface CallOptions extends OutlineOptions {
  /** Long texts: the number of lines and their digest alone. */
  readonly brief?: boolean;
  /** Exit code that is meant. Another one is recorded like any, and told at the end. */
  readonly exit?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Most characters that a program may say. */
const SPOKEN = 2 ** 28;

export class Stage {
  /** Calls that ended otherwise than they were meant to. */
  readonly unexpected: string[] = [];
  readonly values: Record<string, Record<string, Value>> = {};
  /** What the values hang on beside the program. */
  machine: Tree = {};
  readonly folder: string;
  readonly #main: string;
  readonly #renames: Renames;
  readonly #places: Readonly<Record<string, string>>;
  #chapter = '';

  /** `main`: `dist/cli/main.js` of a checkout; `folder`: empty, everything is written there. */
  constructor(main: string, folder: string, renames: Renames = {}) {
    this.#main = resolve(main);
    if (!existsSync(this.#main)) throw new Error(`There is no program at ${main}: build the checkout first.`);
    this.folder = realpathSync(folder);
    this.#renames = renames;
    this.#places = {
      [this.folder]: 'FOLDER',
      [resolve(folder)]: 'FOLDER',
      [dirname(dirname(dirname(this.#main)))]: 'CHECKOUT',
    };
  }

  /** What is put down from here on stands under this name. */
  chapter(name: string): void {
    this.#chapter = name;
    this.values[name] = {};
  }

  put(name: string, value: Value): void {
    this.values[this.#chapter]![name] = value;
  }

  /** A path in the stage's folder. */
  at(...path: readonly string[]): string {
    return join(this.folder, ...path);
  }

  /** Makes and returns the absolute path of a folder. */
  makeFolder(name: string): string {
    mkdirSync(this.at(name), { recursive: true });
    return this.at(name);
  }

  /** Runs `uscl ARGS` and puts down its exit code and what it said, under `name`. */
  call(name: string, args: readonly string[], options: CallOptions = {}): void {
    const { code, said } = this.run(args, options);
    if (code !== (options.exit ?? 0)) this.unexpected.push(`${this.#chapter}/${name}: ${String(code)}`);
    this.put(name, { exit: code, ...said });
  }

  /** Runs `uscl ARGS` to its end. */
  run(args: readonly string[], options: CallOptions = {}): { code: number | null; said: Tree } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [this.#main, ...this.#named(args)], {
      cwd: this.folder,
      env: this.#environment(options.env),
      encoding: 'utf8',
      maxBuffer: SPOKEN,
    });
    const out = args.includes('--json')
      ? jsonOf(stdout, options)
      : [...spoken(stdout, this.#places)].map((line) => line.trimEnd());
    const err = spoken(stderr, this.#places);
    const told =
      options.brief === true && isList(out) ? `${out.length} lines, ${sha(JSON.stringify(out))}` : out;
    return {
      code: status,
      said: { ...(isEmpty(out) ? {} : { out: told }), ...(isEmpty(err) ? {} : { err }) },
    };
  }

  /** Starts `uscl ARGS`, sends `signal` as soon as `isDue`, and says how it ended. */
  async interrupted(
    args: readonly string[],
    isDue: () => boolean,
    signal: NodeJS.Signals = 'SIGKILL',
  ): Promise<number | NodeJS.Signals | null> {
    const child = spawn(process.execPath, [this.#main, ...this.#named(args)], {
      cwd: this.folder,
      env: this.#environment(),
      stdio: 'ignore',
    });
    const state = { running: true };
    const end = new Promise<number | NodeJS.Signals | null>((done) => {
      child.once('exit', (code, by) => {
        state.running = false;
        done(code ?? by);
      });
    });
    while (state.running && !isDue()) await delay(2);
    child.kill(signal);
    return end;
  }

  #named(args: readonly string[]): readonly string[] {
    const names = this.#renames[args[0] ?? ''] ?? {};
    return args.map((arg) => names[arg] ?? arg);
  }

  /** Nothing of the caller's environment but where programs and libraries are; times in UTC, no colours. */
  #environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    const kept = ['PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH', 'USCL_DNNL'];
    const own = kept.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return { ...Object.fromEntries(own), TZ: 'UTC', LANG: 'C.UTF-8', NO_COLOR: '1', ...more };
  }
}

function jsonOf(stdout: string, options: OutlineOptions): Value {
  try {
    return outline(JSON.parse(stdout), options);
  } catch {
    return stdout.split('\n');
  }
}

function isEmpty(value: Value): boolean {
  return isList(value) && value.length === 0;
}

/** Whole lines of a file that may not be there yet. */
export function linesIn(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}
