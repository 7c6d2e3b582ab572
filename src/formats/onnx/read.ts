/**
 * The tensors of an ONNX model, and what it says of itself. Operations are not looked at. Of tensors those of f32 with raw
 * numbers are read, which is how weights are written; others are named. Everything a file says of lengths is held
 * against the bytes that there are.
 */
import protobuf from 'protobufjs/minimal.js';
import { dataError, messageOf, type UsclError } from '../../base/errors.ts';
import { readBounded } from '../../base/read-bounded.ts';
import type { Tensor } from '../safetensors.ts';
import { MOST_SIDES, MOST_TENSORS } from '../safetensors-header.ts';
import { ELEMENTS } from './model.ts';

/** A protobuf message has less. */
const MAX_BYTES = 2 ** 31 - 1;

/** What a model holds. */
export interface ReadOnnx {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Names of tensors of other types, or with numbers elsewhere. */
  readonly unread: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Whether bytes begin as an ONNX model of a program that names itself does: the version of the format, then a name. */
export function looksLikeOnnx(start: Uint8Array): boolean {
  if (start[0] !== 0x08 || !(start[1]! > 0 && start[1]! < 0x40) || start[2] !== 0x12) return false;
  // A safetensors file begins with the length of its header in eight bytes, which may be these; then comes a brace. A header has
  // less than 2^32 bytes, so the last four are zero, and nowhere in the head of a model do four zeros stand.
  return !(start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0));
}

/** Bytes that `looksLikeOnnx` wants to see. */
export const ONNX_START = 9;

/** Reads the model at `path`. Errors: `FILE_UNREADABLE`, `ONNX_INVALID`. */
export function readOnnx(path: string): ReadOnnx {
  const bytes = readBounded(path, MAX_BYTES, (reason, cause) =>
    dataError(
      'FILE_UNREADABLE',
      `Cannot read ${path}: ${reason}.`,
      'Check the path and your rights to read it.',
      {
        ...{ where: path, cause },
      },
    ),
  );
  try {
    return modelIn(bytes);
  } catch (thrown) {
    // The library throws plain errors where a length points past the end or a kind of field does not exist.
    throw invalid(path, messageOf(thrown), thrown);
  }
}

function invalid(path: string, complaint: string, cause: unknown): UsclError {
  return dataError(
    'ONNX_INVALID',
    `${path} is no whole ONNX model: ${complaint}.`,
    'Copy or export the file again; nothing was taken from it.',
    { where: path, cause },
  );
}

function modelIn(bytes: Uint8Array): ReadOnnx {
  const tensors = new Map<string, Tensor>();
  const unread: string[] = [];
  const metadata: Record<string, string> = {};
  let entries = 0;
  eachField(bytes, (field, reader) => {
    if (field === 7)
      eachField(reader.bytes(), (inner, part) => {
        if (inner !== 5) return false;
        if (tensors.size + unread.length >= MOST_TENSORS)
          throw new Error(`it has more than ${MOST_TENSORS} tensors`);
        const { name, tensor } = tensorIn(part.bytes());
        if (tensors.has(name)) throw new Error(`two tensors are called "${name}"`);
        if (tensor === null) unread.push(name);
        else tensors.set(name, tensor);
        return true;
      });
    else if (field === 14) {
      entries += 1;
      if (entries > MOST_TENSORS) throw new Error(`it has more than ${MOST_TENSORS} entries of metadata`);
      const [key = '', value = ''] = textsIn(reader.bytes());
      metadata[key] = value;
    } else return false;
    return true;
  });
  return { tensors, unread, metadata };
}

function tensorIn(bytes: Uint8Array): { readonly name: string; readonly tensor: Tensor | null } {
  const shape: number[] = [];
  let [type, name] = [0, ''];
  let numbers: Uint8Array | undefined;
  const length = (reader: protobuf.Reader): void => {
    const value = Number(reader.uint64());
    if (!Number.isSafeInteger(value) || value > MAX_BYTES)
      throw new Error('a dimension of a tensor is out of range');
    if (shape.length === MOST_SIDES) throw new Error(`a tensor has more than ${MOST_SIDES} sides`);
    shape.push(value);
  };
  eachField(bytes, (field, reader, kind) => {
    if (field === 1 && kind === 0) length(reader);
    else if (field === 1 && kind === 2) {
      // Packed, as other writers may have it.
      const packed = protobuf.Reader.create(reader.bytes());
      while (packed.pos < packed.len) length(packed);
    } else if (field === 2) type = reader.int32();
    else if (field === 8) name = reader.string();
    else if (field === 9) numbers = reader.bytes();
    else return false;
    return true;
  });
  if (type !== ELEMENTS.float || numbers === undefined) return { name, tensor: null };
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  if (numbers.length !== 4 * count)
    throw new Error(`the tensor "${name}" has ${numbers.length} bytes for the shape [${shape.join(', ')}]`);
  return { name, tensor: { dtype: 'F32', shape, data: new Float32Array(new Uint8Array(numbers).buffer) } };
}

/** The texts in fields 1 and 2. */
function textsIn(bytes: Uint8Array): readonly string[] {
  const texts: string[] = [];
  eachField(bytes, (field, reader) => {
    if (field !== 1 && field !== 2) return false;
    texts[field - 1] = reader.string();
    return true;
  });
  return texts;
}

/** Calls with each field of a message, its number and its kind; passes over those that are not taken (false). */
function eachField(
  bytes: Uint8Array,
  take: (field: number, reader: protobuf.Reader, kind: number) => boolean,
): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const [field, kind] = [tag >>> 3, tag & 7];
    if (!take(field, reader, kind)) reader.skipType(kind);
  }
}
