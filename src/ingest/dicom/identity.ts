/**
 * Names for clips and patients of DICOM files that say nothing of either. With a key they are HMAC-SHA256 pseudonyms:
 * the same in every ingest under the same key, and useless without it. Without a key there is nothing secret to
 * derive them from, so patients are only numbered.
 */
import { createHmac } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf, UsclError, usageError } from '../../base/errors.ts';

/** Bytes that a person keeps secret, as `readKeyFile` gives them. */
export type PseudonymKey = Uint8Array;

/** What a pseudonym stands for; the same value gives unrelated pseudonyms for different purposes. */
export type Purpose = 'group' | 'patient' | 'study' | 'clip' | 'path' | 'content';

const MIN_BYTES = 16;
const MAX_BYTES = 2 ** 16;

/** A key that repeats a few bytes is a placeholder, and a placeholder can be guessed. */
const MIN_DISTINCT = 8;

/**
 * Reads a key file, all of its bytes, a newline at the end too: at least 16, not a few repeated ones. Errors: `KEY_FILE`.
 */
export function readKeyFile(path: string): PseudonymKey {
  const refuse = (reason: string, cause?: unknown): UsclError =>
    usageError(
      'KEY_FILE',
      `The key file cannot be used: ${reason}.`,
      'Make one with: head -c 32 /dev/urandom > KEYFILE. Keep it apart from the dataset and secret: who has it can test whose clips are whose.',
      { where: path, cause },
    );
  let bytes: Uint8Array;
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      if (size > MAX_BYTES) throw refuse(`it has ${size} bytes, more than ${MAX_BYTES}`);
      // One byte more than it said, so that a growing file or a device is noticed.
      const buffer = Buffer.alloc(MAX_BYTES + 1);
      const count = readSync(file, buffer, 0, buffer.length, null);
      if (count > MAX_BYTES) throw refuse(`it has more than ${MAX_BYTES} bytes`);
      bytes = new Uint8Array(buffer.subarray(0, count));
      buffer.fill(0);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw thrown instanceof UsclError ? thrown : refuse(messageOf(thrown), thrown);
  }
  if (bytes.length < MIN_BYTES)
    throw refuse(`it has ${bytes.length} bytes, and ${MIN_BYTES} are the least that cannot be guessed`);
  if (new Set(bytes).size < MIN_DISTINCT) throw refuse('it repeats a few bytes and can be guessed');
  return bytes;
}

/** 16 hex digits (64 bits) of HMAC-SHA256. */
export function pseudonym(key: PseudonymKey, purpose: Purpose, value: string | Uint8Array): string {
  return mac(key, purpose, value).slice(0, 16);
}

/**
 * The hex digest (64 digits) that stands for a source in a dataset: of `digest` under the key, or `digest` itself.
 * `digest` is of pixel data only, so that nobody can learn a name by trying names until the digest fits.
 */
export function contentDigest(key: PseudonymKey | null, digest: string): string {
  return key === null ? digest : mac(key, 'content', digest);
}

function mac(key: PseudonymKey, purpose: Purpose, value: string | Uint8Array): string {
  return createHmac('sha256', key).update(`uscl dicom ${purpose}\0`).update(value).digest('hex');
}
