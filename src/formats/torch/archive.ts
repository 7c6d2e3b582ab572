/**
 * The zip archive of a PyTorch checkpoint: its entries as parts of the file's own bytes, nothing unpacked and nothing
 * copied. PyTorch stores entries as they are; a compressed one is an error, so no small file can become a large one.
 */
import { crc32 } from 'node:zlib';
import { fromBufferPromise } from 'yauzl';
import { messageOf, UsclError } from '../../base/errors.ts';
import type { Refuse } from './refuse.ts';

/** Most entries: a checkpoint has one a tensor. */
const MOST_ENTRIES = 100_000;

/** Compression method of a zip entry that is stored as it is. */
const STORED = 0;

/** Entries by name below the folder of the archive, as in `data.pkl`; `refuse` makes the errors. */
export async function readArchive(bytes: Buffer, refuse: Refuse): Promise<ReadonlyMap<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  try {
    const archive = await fromBufferPromise(bytes, { lazyEntries: true });
    if (archive.entryCount > MOST_ENTRIES)
      throw refuse.invalid(null, `it claims ${archive.entryCount} entries, more than ${MOST_ENTRIES}`);
    let left = bytes.length;
    for await (const entry of archive.eachEntry()) {
      const { fileName, compressionMethod, compressedSize, generalPurposeBitFlag } = entry;
      if (compressionMethod !== STORED || (generalPurposeBitFlag & 1) !== 0)
        throw refuse.unsupported(`its entry ${JSON.stringify(fileName)} is compressed or encrypted`);
      const { fileDataStart } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
      const data = bytes.subarray(fileDataStart, fileDataStart + compressedSize);
      if (data.length !== compressedSize)
        throw refuse.invalid(fileDataStart, `its entry ${JSON.stringify(fileName)} ends after the file`);
      // Entries of the same bytes would be summed again and again: a small file could take hours.
      left -= compressedSize;
      if (left < 0)
        throw refuse.invalid(fileDataStart, 'its entries overlap: they have more bytes than the file');
      if (crc32(data) !== entry.crc32)
        throw refuse.invalid(
          fileDataStart,
          `the bytes of its entry ${JSON.stringify(fileName)} are damaged (CRC-32)`,
        );
      const name = fileName.slice(fileName.indexOf('/') + 1);
      if (entries.has(name))
        throw refuse.invalid(fileDataStart, `it has two entries ${JSON.stringify(fileName)}`);
      entries.set(name, data);
    }
  } catch (thrown) {
    // The reader of zips throws plain errors, each of a broken rule of the format.
    throw thrown instanceof UsclError
      ? thrown
      : refuse.invalid(null, `as a zip archive: ${messageOf(thrown)}`);
  }
  return entries;
}
