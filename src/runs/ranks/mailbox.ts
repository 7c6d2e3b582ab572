/**
 * What a rank writes for rank 0 to read: a file of lines in a folder that all ranks see. A line is whole or not yet there. Numbers
 * that all ranks wait for travel by MPI; this is for what one of them tells while the others work.
 */
import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { guardWrites } from '../../base/files.ts';
import { readEntries } from '../log.ts';

const ENDING = '.jsonl';

function fileOf(folder: string, rank: number): string {
  return join(folder, `${rank}${ENDING}`);
}

/** Appends a line of JSON to a rank's file. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export function post(folder: string, rank: number, message: unknown): void {
  const path = fileOf(folder, rank);
  guardWrites(path, () => {
    appendFileSync(path, `${JSON.stringify(message)}\n`);
  });
}

/** Reads the lines of one rank, each once. */
export class Mailbox<Message> {
  readonly #path: string;
  readonly #schema: z.ZodType<Message>;
  #read = 0;

  constructor(folder: string, rank: number, schema: z.ZodType<Message>) {
    this.#path = fileOf(folder, rank);
    this.#schema = schema;
  }

  /** What was written since the last call, in order. A line that is being written is left for the next. */
  news(): readonly Message[] {
    if (!existsSync(this.#path)) return [];
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#read);
      const count = readSync(file, bytes, 0, bytes.length, this.#read);
      const whole = bytes.lastIndexOf('\n', count - 1) + 1;
      this.#read += whole;
      const lines = bytes.toString('utf8', 0, whole).split('\n').slice(0, -1);
      return lines.map((line) => this.#schema.parse(JSON.parse(line)));
    } finally {
      closeSync(file);
    }
  }
}

/** Everything that ranks of an earlier job left in a folder, in the order of their files' names. Lines of another form are passed over. */
export function leftIn<Message>(folder: string, schema: z.ZodType<Message>): readonly Message[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ENDING))
    .sort()
    .flatMap((name) => readEntries(join(folder, name), schema));
}
