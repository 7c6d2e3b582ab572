/**
 * Taking one library out of a Python wheel: the bytes are checked against a known SHA-256 first, then that entry and its
 * licence are unpacked, and nothing else. A wheel is a zip archive; nothing in it is run.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fromBufferPromise } from 'yauzl';

/** A wheel as it must be, and what is taken of it: names in the archive by names in the folder. */
export interface Pinned {
  readonly sha256: string;
  readonly entries: Readonly<Record<string, string>>;
}

/** Most bytes of an unpacked entry: four times what the library has. */
const MOST_BYTES = 2 ** 28;

/** Writes the pinned entries of a wheel into a folder, all of them or none. */
export async function unpackWheel(wheel: Buffer, pinned: Pinned, folder: string): Promise<void> {
  const found = createHash('sha256').update(wheel).digest('hex');
  if (found !== pinned.sha256)
    throw new Error(
      `The wheel is not the one that was pinned: its SHA-256 is ${found}, not ${pinned.sha256}. Nothing was unpacked.`,
    );
  const contents = await entriesOf(wheel, pinned.entries);
  // A folder that is there is whole: it is made beside its place and put there at once.
  const draft = `${folder}.${randomUUID()}`;
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(draft, { mode: 0o755 });
  try {
    for (const [name, bytes] of contents) writeFileSync(join(draft, name), bytes);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function entriesOf(
  wheel: Buffer,
  wanted: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  const archive = await fromBufferPromise(wheel, { lazyEntries: true });
  for await (const entry of archive.eachEntry()) {
    const name = Object.entries(wanted).find(([inside]) => inside === entry.fileName)?.[1];
    if (name === undefined) continue;
    if (entry.uncompressedSize > MOST_BYTES)
      throw new Error(
        `The entry ${entry.fileName} has ${entry.uncompressedSize} bytes; ${MOST_BYTES} are the most.`,
      );
    contents.set(name, await buffer(await archive.openReadStreamPromise(entry)));
  }
  for (const [inside, name] of Object.entries(wanted))
    if (!contents.has(name)) throw new Error(`The wheel has no entry ${inside}.`);
  return contents;
}
