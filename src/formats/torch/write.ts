/**
 * Writes tensors as PyTorch does (`torch.save` of a state dict, the zip format), so that `torch.load(path, weights_only=True)`
 * and `load_state_dict` take them. The pickle names nothing but what rebuilds a tensor.
 */
import { ZipFile } from 'yazl';
import { AtomicFile } from '../../base/files.ts';
import type { NamedTensor } from '../safetensors.ts';

/** Entries carry the time of PyTorch's own: the same tensors are the same bytes. */
const ENTRY = { compress: false, mtime: new Date(1980, 0, 1), forceDosTimestamp: true } as const;

/** Writes f32 and i64 tensors, atomically and durably. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export async function writeTorch(path: string, tensors: readonly NamedTensor[]): Promise<void> {
  const archive = new ZipFile();
  const add = (name: string, bytes: Buffer): void => {
    archive.addBuffer(bytes, `weights/${name}`, ENTRY);
  };
  add('data.pkl', stateDict(tensors));
  add('byteorder', Buffer.from('little'));
  for (const [i, { data }] of tensors.entries())
    add(`data/${i}`, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  add('version', Buffer.from('3\n'));
  archive.end();
  using file = new AtomicFile(path);
  for await (const chunk of archive.outputStream) file.write(chunk);
  file.commit();
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
