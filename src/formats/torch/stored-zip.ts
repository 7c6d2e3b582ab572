/**
 * Zip archives of entries that are stored as they are, as PyTorch writes its checkpoints: the numbers of every entry begin at a
 * multiple of 64 bytes, so that who maps the file into memory needs no copy of them. Bytes are neither compressed nor copied, and their
 * sums are zlib's own. Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.4; the field of padding is that of PyTorch.
 */
import { crc32 } from 'node:zlib';

/** A file of an archive. */
export interface StoredEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What the format counts without its extension for large archives; `storedZip` is not for more, nor for 4 GiB and more. */
export const MOST_ZIP_ENTRIES = 2 ** 16 - 1;

const ALIGNMENT = 64;
/** Number of PyTorch's field of padding, "FB", and its own length with that of what follows. */
const PADDING = 0x4246;
const PADDING_HEAD = 4;

/** Lengths of the fixed parts. */
const [LOCAL, CENTRAL, END] = [30, 46, 22];
/** Version 2.0 reads it; names are UTF-8; the method is `stored`. */
const [VERSION, UTF8, STORED] = [20, 0x0800, 0];
/** 1 January 1980, the first day of the format: the same entries are the same bytes. */
const [TIME, DATE] = [0, 0x0021];

/** The pieces of an archive in their order, those of entries being the callers' own memory. */
export function storedZip(entries: readonly StoredEntry[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (piece: Uint8Array): void => {
    pieces.push(piece);
    at += piece.byteLength;
  };
  for (const { name, bytes } of entries) {
    const text = Buffer.from(name);
    const facts = factsOf(bytes, text);
    directory.push(centralHeader(facts, text, at));
    add(localHeader(facts, text, at));
    add(bytes);
  }
  const start = at;
  for (const header of directory) add(header);
  const end = Buffer.alloc(END);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(at - start, 12);
  end.writeUInt32LE(start, 16);
  add(end);
  return pieces;
}

/** What both headers of an entry say, in the order in which they say it: from the flags to the length of the name. */
function factsOf(bytes: Uint8Array, name: Buffer): Buffer {
  const facts = Buffer.alloc(22);
  facts.writeUInt16LE(UTF8, 0);
  facts.writeUInt16LE(STORED, 2);
  facts.writeUInt16LE(TIME, 4);
  facts.writeUInt16LE(DATE, 6);
  facts.writeUInt32LE(crc32(bytes), 8);
  facts.writeUInt32LE(bytes.byteLength, 12);
  facts.writeUInt32LE(bytes.byteLength, 16);
  facts.writeUInt16LE(name.length, 20);
  return facts;
}

/** The header before the bytes of an entry, with the padding that puts them where they are aligned. */
function localHeader(facts: Buffer, name: Buffer, at: number): Buffer {
  const least = at + LOCAL + name.length + PADDING_HEAD;
  const padding = (ALIGNMENT - (least % ALIGNMENT)) % ALIGNMENT;
  const header = Buffer.alloc(LOCAL + name.length + PADDING_HEAD + padding);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(VERSION, 4);
  facts.copy(header, 6);
  header.writeUInt16LE(PADDING_HEAD + padding, 28);
  name.copy(header, LOCAL);
  header.writeUInt16LE(PADDING, LOCAL + name.length);
  header.writeUInt16LE(padding, LOCAL + name.length + 2);
  return header;
}

/** The entry of the directory: where its header is. */
function centralHeader(facts: Buffer, name: Buffer, place: number): Buffer {
  const header = Buffer.alloc(CENTRAL + name.length);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(VERSION, 6);
  facts.copy(header, 8);
  header.writeUInt32LE(place, 42);
  name.copy(header, CENTRAL);
  return header;
}
