/**
 * Taking one library out of a Python wheel: the bytes are checked against a known SHA-256 first, then that entry and its
 * licence are unpacked, and nothing else. A wheel is a zip archive; nothing in it is run.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fromBufferPromise, openPromise } from 'yauzl';

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

/**
 * Writes the pinned entries of several wheels into a folder, all of them or none. Wheels of a gigabyte are read from the disk, piece by
 * piece; entries may lie in folders of the folder.
 */
export async function unpackLargeWheels(
  wheels: readonly (Pinned & { readonly file: string })[],
  folder: string,
): Promise<void> {
  for (const { file, sha256 } of wheels) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    const found = hash.digest('hex');
    if (found !== sha256)
      throw new Error(
        `${file} is not the wheel that was pinned: its SHA-256 is ${found}, not ${sha256}. Nothing was unpacked.`,
      );
  }
  const draft = `${folder}.${randomUUID()}`;
  mkdirSync(draft, { recursive: true, mode: 0o755 });
  try {
    for (const { file, entries } of wheels) await unpackInto(draft, file, entries);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function unpackInto(
  folder: string,
  file: string,
  wanted: Readonly<Record<string, string>>,
): Promise<void> {
  const missing = new Map(Object.entries(wanted));
  const archive = await openPromise(file, { lazyEntries: true });
  for await (const entry of archive.eachEntry()) {
    const name = missing.get(entry.fileName);
    if (name === undefined) continue;
    missing.delete(entry.fileName);
    const target = join(folder, name);
    mkdirSync(dirname(target), { recursive: true });
    await pipeline(await archive.openReadStreamPromise(entry), createWriteStream(target, { flags: 'wx' }));
  }
  for (const inside of missing.keys()) throw new Error(`The wheel ${file} has no entry ${inside}.`);
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
