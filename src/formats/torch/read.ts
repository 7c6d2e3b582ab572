/**
 * PyTorch checkpoints (`.pth`, `.pt`): the zip archives of PyTorch 1.6 and later and the older files of several pickles. Weights
 * are read, code is not: see `pickle.ts`. Whatever the bytes, the errors are `TORCH_INVALID`, `TORCH_UNSUPPORTED`,
 * `TORCH_TOO_LARGE` and `FILE_UNREADABLE`, and no more memory is taken than four times the file and 64 MB.
 */
import { dataError, UsclError } from '../../base/errors.ts';
import { readBounded } from '../../base/read-bounded.ts';
import type { TensorData } from '../safetensors.ts';
import { ARRAYS } from '../safetensors-header.ts';
import { readArchive } from './archive.ts';
import { PickledReference, type PickleValue } from './pickle-values.ts';
import { readPickle } from './pickle.ts';
import { LARGEST, type Refuse, refusing } from './refuse.ts';
import { type StorageUse, storageOf, tensorsOf, type TorchTensors } from './tensors.ts';

export type { TorchTensors } from './tensors.ts';

/** First bytes of a zip archive, and of a pickle of protocol 2. */
const ZIP = Buffer.from('PK\x03\x04', 'latin1');
const PICKLE = Buffer.from([0x80, 0x02]);
/** Number with which an older file begins. */
const MAGIC = 0x1950a86a20f9469cfc6cn;

/** Whether bytes begin as a PyTorch checkpoint does. */
export function looksLikeTorch(start: Buffer): boolean {
  return [ZIP, PICKLE].some((mark) => start.subarray(0, mark.length).equals(mark));
}

/** All tensors of a checkpoint, by their path in it. */
export async function readTorch(path: string): Promise<TorchTensors> {
  const bytes = readBounded(path, LARGEST, (reason, cause, isTooLarge) =>
    isTooLarge
      ? new UsclError({
          kind: 'resource',
          code: 'TORCH_TOO_LARGE',
          message: `${path} cannot be read: ${reason}.`,
          where: path,
          remedy:
            'Save its weights as safetensors in Python: save_file(model.state_dict(), "weights.safetensors").',
        })
      : dataError(
          'FILE_UNREADABLE',
          `Cannot read ${path}: ${reason}.`,
          'Check the path and your rights to read it.',
          {
            where: path,
            cause,
          },
        ),
  );
  return await torchTensors(bytes, path);
}

/** All tensors of the bytes of a checkpoint, which `name` stands for in messages. */
export async function torchTensors(bytes: Buffer, name: string): Promise<TorchTensors> {
  const refuse = refusing(name);
  if (bytes.subarray(0, ZIP.length).equals(ZIP)) return await ofArchive(bytes, refuse);
  if (bytes.subarray(0, PICKLE.length).equals(PICKLE)) return ofPickles(bytes, refuse);
  if (bytes.subarray(257, 262).toString('latin1') === 'ustar')
    throw refuse.unsupported('it is a tar archive, as PyTorch wrote before 0.4');
  throw refuse.invalid(0, 'it begins neither as a zip archive nor as a pickle');
}

async function ofArchive(bytes: Buffer, refuse: Refuse): Promise<TorchTensors> {
  const entries = await readArchive(bytes, refuse);
  if (entries.has('constants.pkl')) throw refuse.unsupported('it is a TorchScript program');
  const pickle = entries.get('data.pkl');
  if (pickle === undefined) throw refuse.invalid(null, 'it is a zip archive without a pickle');
  if (entries.get('byteorder')?.toString('latin1') === 'big')
    throw refuse.unsupported('its numbers are big-endian');
  const { value } = readPickle(pickle, 0, (byte, complaint) =>
    refuse.invalid(null, `at byte ${byte} of its pickle: ${complaint}`),
  );
  const read = ({ key, dtype, length }: StorageUse): TensorData => {
    const stored = entries.get(`data/${key}`);
    if (stored === undefined) throw refuse.invalid(null, `it has no entry data/${key}`);
    if (stored.length !== length * ARRAYS[dtype].BYTES_PER_ELEMENT)
      throw refuse.invalid(null, `its entry data/${key} has ${stored.length} bytes for ${length} numbers`);
    return elements(stored, dtype, length);
  };
  return tensorsOf(value, remembering(read, refuse), refuse, bytes.length);
}

/** An older file: magic number, version, the writer's system, the object, the keys of storages, the storages. */
function ofPickles(bytes: Buffer, refuse: Refuse): TorchTensors {
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = readPickle(bytes, at, (byte, complaint) => refuse.invalid(byte, complaint));
    at = end;
    return value;
  };
  if (next() !== MAGIC) throw refuse.invalid(0, 'it is a pickle, but not of PyTorch');
  next();
  const system = next();
  if (system instanceof Map && system.get('little_endian') === false)
    throw refuse.unsupported('its numbers are big-endian');
  const root = next();
  const keys = next();
  if (!Array.isArray(keys)) throw refuse.invalid(at, 'it has no list of storages');
  const uses = storagesIn(root);
  const places = new Map<string, number>();
  for (const key of keys as readonly PickleValue[]) {
    const use = typeof key === 'string' ? uses.get(key) : undefined;
    if (use === undefined) throw refuse.unsupported('it has a storage of a kind that is not known');
    const start = at + 8;
    const end = start + use.length * ARRAYS[use.dtype].BYTES_PER_ELEMENT;
    if (!(end <= bytes.length)) throw refuse.invalid(at, `its storage ${use.key} ends after the file`);
    if (bytes.readBigUInt64LE(at) !== BigInt(use.length))
      throw refuse.invalid(at, `its storage ${use.key} has another length than its tensors say`);
    places.set(use.key, start);
    at = end;
  }
  const read = ({ key, dtype, length }: StorageUse): TensorData => {
    const start = places.get(key);
    if (start === undefined) throw refuse.invalid(null, `it has no storage ${key}`);
    return elements(bytes.subarray(start), dtype, length);
  };
  return tensorsOf(root, remembering(read, refuse, uses), refuse, bytes.length);
}

/** The first use of every storage that a value refers to, by its key. */
function storagesIn(root: PickleValue): ReadonlyMap<string, StorageUse> {
  const uses = new Map<string, StorageUse>();
  const seen = new Set<PickleValue>();
  const todo: PickleValue[] = [root];
  for (let value = todo.pop(); value !== undefined; value = todo.pop()) {
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    const use = value instanceof PickledReference ? storageOf(value) : null;
    if (use !== null && !uses.has(use.key)) uses.set(use.key, use);
    if (value instanceof Map)
      for (const [key, part] of value as ReadonlyMap<PickleValue, PickleValue>) todo.push(key, part);
    else if (value instanceof Set || Array.isArray(value))
      for (const part of value) todo.push(part as PickleValue);
    else if ('args' in value) todo.push(value.target, value.args, value.state, value.items, value.list);
  }
  return uses;
}

/** A storage is read once, however many tensors show it; all of them say the same of it. */
function remembering(
  read: (use: StorageUse) => TensorData,
  refuse: Refuse,
  uses: ReadonlyMap<string, StorageUse> = new Map(),
): (use: StorageUse) => TensorData {
  const firsts = new Map(uses);
  const known = new Map<string, TensorData>();
  return (use) => {
    const { key, dtype, length } = use;
    const first = firsts.get(key) ?? use;
    firsts.set(key, first);
    if (first.dtype !== dtype || first.length !== length)
      throw refuse.invalid(null, `two tensors disagree on what storage ${key} is`);
    const data = known.get(key) ?? read(use);
    known.set(key, data);
    return data;
  };
}

/** The first numbers of some bytes: the same memory where it is aligned, else a copy. */
function elements(bytes: Buffer, dtype: keyof typeof ARRAYS, length: number): TensorData {
  const Kind = ARRAYS[dtype];
  const { buffer, byteOffset } = bytes;
  if (byteOffset % Kind.BYTES_PER_ELEMENT === 0) return new Kind(buffer as ArrayBuffer, byteOffset, length);
  const end = byteOffset + length * Kind.BYTES_PER_ELEMENT;
  return new Kind(buffer.slice(byteOffset, end) as ArrayBuffer);
}
