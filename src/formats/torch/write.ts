/**
 * Writes tensors as PyTorch does (`torch.save` of a state dict, the zip format), so that `torch.load(path, weights_only=True)`
 * and `load_state_dict` take them. The pickle names nothing but what rebuilds a tensor.
 */
import { UsclError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { NamedTensor } from '../safetensors.ts';
import { LARGEST } from './refuse.ts';
import { MOST_ZIP_ENTRIES, type StoredEntry, storedZip } from './stored-zip.ts';

/**
 * Writes f32 and i64 tensors, atomically and durably. Errors: `TORCH_TOO_LARGE` for a file that would not be read again;
 * `DISK_FULL`, `WRITE_FAILED`.
 */
export function writeTorch(path: string, tensors: readonly NamedTensor[]): void {
  const entries: StoredEntry[] = [
    { name: 'weights/data.pkl', bytes: stateDict(tensors) },
    { name: 'weights/byteorder', bytes: Buffer.from('little') },
    ...tensors.map(({ data }, i) => ({
      name: `weights/data/${i}`,
      bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
    { name: 'weights/version', bytes: Buffer.from('3\n') },
  ];
  const length = entries.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  if (length > LARGEST || entries.length > MOST_ZIP_ENTRIES) throw tooLarge(path, tensors.length, length);
  writeFileAtomic(path, storedZip(entries));
}

function tooLarge(path: string, tensors: number, length: number): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'TORCH_TOO_LARGE',
    message: `${path} cannot be written: ${tensors} tensors of ${length} bytes are more than such a file holds here.`,
    where: path,
    remedy: 'Export safetensors, which has no such bound.',
  });
}

/** An ordered dictionary of tensors as a pickle of protocol 2; see `pickle.ts` for the opcodes. */
function stateDict(tensors: readonly NamedTensor[]): Buffer {
  const items = tensors.flatMap(({ name, shape, data }, key) => [text(name), tensor(key, shape, data)]);
  return Buffer.concat([bytes(0x80, 0x02), ORDERED_DICT, bytes(0x28), ...items, bytes(0x75, 0x2e)]);
}

function tensor(key: number, shape: readonly number[], data: NamedTensor['data']): Buffer {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, side) => product * side, 1));
  const kind = data instanceof BigInt64Array ? 'LongStorage' : 'FloatStorage';
  const storage = [
    text('storage'),
    named('torch', kind),
    text(String(key)),
    text('cpu'),
    integer(data.length),
  ];
  return Buffer.concat([
    named('torch._utils', '_rebuild_tensor_v2'),
    bytes(0x28),
    ...[tuple(storage), bytes(0x51), integer(0), tuple(shape.map(integer)), tuple(strides.map(integer))],
    // No gradient wanted, no hooks.
    ...[bytes(0x89), ORDERED_DICT, bytes(0x74, 0x52)],
  ]);
}

const ORDERED_DICT = Buffer.concat([named('collections', 'OrderedDict'), bytes(0x29, 0x52)]);

function bytes(...values: readonly number[]): Buffer {
  return Buffer.from(values);
}

function named(module: string, name: string): Buffer {
  return Buffer.from(`c${module}\n${name}\n`);
}

function text(value: string): Buffer {
  const utf8 = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.writeUInt8(0x58);
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}

/** A count of at most 2^31. */
function integer(value: number): Buffer {
  const four = Buffer.alloc(5);
  four.writeUInt8(0x4a);
  four.writeInt32LE(value, 1);
  return four;
}

function tuple(parts: readonly Buffer[]): Buffer {
  return Buffer.concat([bytes(0x28), ...parts, bytes(0x74)]);
}
