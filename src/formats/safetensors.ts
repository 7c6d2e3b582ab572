/**
 * Safetensors files: named tensors as raw little-endian bytes behind a JSON header (8-byte header length, header,
 * data). Used for checkpoints and for weights that come from elsewhere. The reader trusts nothing: every rule of the
 * format is checked before memory is allocated, and no more is allocated than the file is long. The writer makes files
 * whole or not at all and streams the callers' arrays without copying them. Little-endian hosts only.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { dataError, messageOf, systemCode, usageError, UsclError } from '../base/errors.ts';
import { readAll, writeFileAtomic } from '../base/files.ts';
import {
  ARRAYS,
  byteLength,
  formatHeader,
  hasLoneSurrogate,
  HEADER_LIMIT,
  invalidFile,
  LENGTH_BYTES,
  METADATA_KEY,
  parseHeader,
  type Dtype,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.ts';

export type { SafetensorsHeader } from './safetensors-header.ts';

/** Raw elements; F16 and BF16 as their 16 bits, BOOL as bytes. */
export type TensorData = Exclude<NodeJS.TypedArray, Uint8ClampedArray>;

/** A tensor as it was read. */
export interface Tensor {
  readonly dtype: Dtype;
  /** Row-major; [] is a scalar. */
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A tensor to be written. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: TensorData;
  /** Needed where the array does not say it: `F16` or `BF16` in a Uint16Array, `BOOL` in a Uint8Array. */
  readonly dtype?: Dtype;
}

/** A safetensors file, read. */
export interface Safetensors {
  /** In the order of the file's header. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Writes a safetensors file, atomically and durably (see `writeFileAtomic`). Wide elements come first so that every
 * tensor is aligned; among equals the order given is kept.
 *
 * @throws UsclError `SAFETENSORS_TENSOR` for a tensor the format cannot hold; `DISK_FULL`, `WRITE_FAILED`.
 */
export function writeSafetensors(
  path: string,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): void {
  const seen = new Set<string>();
  const typed = tensors.map((tensor) => ({ ...tensor, dtype: dtypeToWrite(tensor, seen) }));
  typed.sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  for (const [key, value] of Object.entries(metadata))
    if (hasLoneSurrogate(key) || hasLoneSurrogate(value))
      throw unwritable(METADATA_KEY, `has text at ${JSON.stringify(key)} that is not Unicode`);
  let end = 0;
  const entries: TensorEntry[] = typed.map(({ name, dtype, shape, data }) => {
    const start = end;
    end += data.byteLength;
    return { name, dtype, shape, start, end };
  });
  const header = formatHeader(entries, metadata);
  if (header.length > HEADER_LIMIT)
    throw unwritable(METADATA_KEY, `makes a header of ${header.length} bytes, more than ${HEADER_LIMIT}`);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(header.length));
  const raw = typed.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  writeFileAtomic(path, [length, header, ...raw]);
}

function dtypeToWrite(tensor: NamedTensor, seen: Set<string>): Dtype {
  const { name, shape, data } = tensor;
  if (name === METADATA_KEY) throw unwritable(name, 'has the name that the format keeps for metadata');
  if (hasLoneSurrogate(name)) throw unwritable(name, 'has a name that is not Unicode');
  if (seen.has(name)) throw unwritable(name, 'is given twice');
  seen.add(name);
  const dtype = tensor.dtype ?? DTYPES.find((own) => data instanceof ARRAYS[own]) ?? 'U8';
  if (!(data instanceof ARRAYS[dtype]))
    throw unwritable(name, `is ${dtype} but its data are a ${data.constructor.name}`);
  if (
    !shape.every((side) => Number.isInteger(side) && side >= 0) ||
    byteLength(dtype, shape) !== data.byteLength
  )
    throw unwritable(name, `has shape [${shape.join(', ')}] but ${data.length} elements`);
  return dtype;
}

const DTYPES = Object.keys(ARRAYS) as Dtype[];

/**
 * Reads a whole safetensors file, or bytes of one. Each tensor gets its own memory.
 *
 * @param source a path, or the bytes of a file.
 * @throws UsclError `SAFETENSORS_TRUNCATED`, `SAFETENSORS_INVALID`, `SAFETENSORS_DTYPE` with the byte;
 *   `FILE_UNREADABLE` where the system refuses the file, `SAFETENSORS_TOO_LARGE` where memory does. Never anything
 *   else, whatever the bytes.
 */
export function readSafetensors(source: string | Uint8Array): Safetensors {
  return withInput(source, (input) => {
    const { header, dataStart } = readHeader(input);
    const tensors = new Map<string, Tensor>();
    for (const { name, dtype, shape, start, end } of header.tensors) {
      const data = allocate(input.name, name, dtype, end - start);
      input.read(new Uint8Array(data.buffer), dataStart + start);
      tensors.set(name, { dtype, shape, data });
    }
    return { tensors, metadata: header.metadata };
  });
}

function allocate(source: string, name: string, dtype: Dtype, bytes: number): TensorData {
  try {
    return new ARRAYS[dtype](bytes / ARRAYS[dtype].BYTES_PER_ELEMENT);
  } catch (thrown) {
    throw new UsclError({
      kind: 'resource',
      code: 'SAFETENSORS_TOO_LARGE',
      message: `Tensor "${name}" of ${source} needs ${bytes} bytes of memory, which cannot be had.`,
      where: source,
      remedy: 'Read it on a machine with more memory, or split the file.',
      cause: thrown,
    });
  }
}

/** Names, shapes and metadata without the data; checks all that `readSafetensors` checks. Same errors. */
export function readSafetensorsHeader(source: string | Uint8Array): SafetensorsHeader {
  return withInput(source, (input) => readHeader(input).header);
}

/** Bytes at a place: an open file, or memory. */
interface Input {
  readonly name: string;
  readonly size: number;
  /** Fills `target` from `position`. */
  read(target: Uint8Array, position: number): void;
}

function readHeader(input: Input): { header: SafetensorsHeader; dataStart: number } {
  const { name, size } = input;
  if (size < LENGTH_BYTES)
    throw truncated(name, size, `it has ${size} bytes, not even the ${LENGTH_BYTES} of the header's length`);
  const lengthBytes = Buffer.alloc(LENGTH_BYTES);
  input.read(lengthBytes, 0);
  const claimed = lengthBytes.readBigUInt64LE();
  const length = Number(claimed);
  if (length > HEADER_LIMIT)
    throw invalidFile(
      name,
      0,
      `it claims a header of ${claimed} bytes, more than the ${HEADER_LIMIT} allowed`,
    );
  const dataStart = LENGTH_BYTES + length;
  if (dataStart > size) throw truncated(name, size, `its header should end at byte ${dataStart}`);
  const bytes = new Uint8Array(length);
  input.read(bytes, LENGTH_BYTES);
  const header = parseHeader(bytes, name);
  const expected = dataStart + header.dataBytes;
  if (expected > size) throw truncated(name, size, `its tensors should end at byte ${expected}`);
  if (expected < size)
    throw invalidFile(name, expected, `${size - expected} bytes follow the last tensor and belong to none`);
  return { header, dataStart };
}

function withInput<T>(source: string | Uint8Array, action: (input: Input) => T): T {
  if (typeof source !== 'string')
    return action({
      name: 'the given bytes',
      size: source.byteLength,
      read: (target, position) => {
        target.set(source.subarray(position, position + target.byteLength));
      },
    });
  try {
    const file = openSync(source, 'r');
    try {
      const read = (target: Uint8Array, position: number): void => {
        const count = readAll(file, target, position);
        if (count < target.byteLength)
          throw truncated(source, position + count, 'it became shorter while it was read');
      };
      return action({ name: source, size: fstatSync(file).size, read });
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    if (systemCode(thrown) === undefined || thrown instanceof UsclError) throw thrown;
    throw dataError(
      'FILE_UNREADABLE',
      `Cannot read ${source}: ${messageOf(thrown)}.`,
      'Check the path and your rights to read it.',
      { where: source, cause: thrown },
    );
  }
}

function truncated(source: string, size: number, complaint: string): UsclError {
  return dataError(
    'SAFETENSORS_TRUNCATED',
    `${source} is cut short at byte ${size}: ${complaint}.`,
    'Copy or download the file again, or use an earlier checkpoint; nothing was read from it.',
    { where: `${source}, byte ${size}` },
  );
}

function unwritable(name: string, complaint: string): UsclError {
  return usageError(
    'SAFETENSORS_TENSOR',
    `The tensor "${name}" cannot be written: it ${complaint}.`,
    'Correct the tensor; no file was written.',
    { where: `tensor ${name}` },
  );
}
