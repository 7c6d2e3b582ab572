/**
 * What an ingest notes beside the clips, a line a source in the order of the plan: under which key a source became
 * which clip, or why it did not. A killed ingest goes on from it, and a later one takes over what has not changed.
 * A key is a digest made by the ingest; lines hold no names of sources. Lines are appended without fsync: what a power
 * cut tears is found by its checksum and read again from the source.
 */
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { guardWrites } from '../base/files.ts';
import { LIMITS } from './parse.ts';
import { clipSchema, FILES, type ClipRecord } from './types.ts';

const keySchema = z.string().regex(/^[0-9a-f]{64}$/);
const clipNoteSchema = z.strictObject({
  key: keySchema,
  /** CRC-32 of the clip's frames, then of its masks. */
  crc: z.int().min(0).max(0xffffffff),
  /** The clip's flags that come from its pixels, not from the plan. */
  found: z.array(z.string()).readonly(),
  /** What the decoder said about damage. */
  damage: z.string().nullable(),
  /** What a person should know of how it was read. */
  remarks: z.array(z.string()).readonly().default([]),
});
export type ClipNote = Readonly<z.infer<typeof clipNoteSchema>>;

const lineSchema = z.union([clipNoteSchema, z.strictObject({ key: keySchema, refused: z.string() })]);
export type JournalLine = Readonly<z.infer<typeof lineSchema>>;

/** A line with the record of its clip; null for a refusal. */
export interface JournalEntry {
  readonly line: JournalLine;
  readonly record: ClipRecord | null;
}

/** Appends to the journal and the clip list of a folder. The record first: a line without one is not believed. */
export function addToJournal(folder: string, line: JournalLine, record: ClipRecord | null): void {
  guardWrites(folder, () => {
    if (record !== null) appendFileSync(join(folder, FILES.clips), `${JSON.stringify(record)}\n`);
    appendFileSync(join(folder, FILES.journal), `${JSON.stringify(line)}\n`);
  });
}

/** Makes the journal durable. */
export function syncJournal(folder: string): void {
  const file = openSync(join(folder, FILES.journal), 'a');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The entries of a folder as far as they are whole; none where there is no journal. Never fails. */
export function readJournal(folder: string): readonly JournalEntry[] {
  const records = linesOf(join(folder, FILES.clips), clipSchema);
  const entries: JournalEntry[] = [];
  let clips = 0;
  for (const { value: line } of linesOf(join(folder, FILES.journal), lineSchema)) {
    const record = 'refused' in line ? null : records[clips++]?.value;
    if (record === undefined) break;
    entries.push({ line, record });
  }
  return entries;
}

/** Cuts journal and clip list behind these entries, so that more can be appended. */
export function cutJournal(folder: string, entries: readonly JournalEntry[]): void {
  const cut = <T>(path: string, schema: z.ZodType<T>, lines: number): void => {
    const end = linesOf(path, schema)[lines - 1]?.end ?? 0;
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) truncateSync(path, end);
  };
  cut(join(folder, FILES.clips), clipSchema, entries.filter(({ record }) => record !== null).length);
  cut(join(folder, FILES.journal), lineSchema, entries.length);
}

/** The lines of a file up to the first that is torn or not of the schema, with the byte behind each. */
function linesOf<T>(path: string, schema: z.ZodType<T>): { readonly value: T; readonly end: number }[] {
  const lines: { value: T; end: number }[] = [];
  try {
    if (statSync(path).size > LIMITS.clips) return lines;
    const bytes = readFileSync(path);
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(0x0a, start);
      if (newline === -1) break;
      lines.push({
        value: schema.parse(JSON.parse(bytes.toString('utf8', start, newline))),
        end: newline + 1,
      });
      start = newline + 1;
    }
  } catch {
    // No file, or a torn line: what came before holds.
  }
  return lines;
}
