/** Bytes of hostile files, for tests: pickles by their opcodes, archives and headers as they are wanted. */
import { ZipFile } from 'yazl';

/** A checkpoint with this pickle and these storages. */
export async function archive(
  pickle: Buffer,
  storages: readonly Buffer[] = [],
  compress = false,
): Promise<Buffer> {
  const zip = new ZipFile();
  zip.addBuffer(pickle, 'x/data.pkl', { compress });
  for (const [i, bytes] of storages.entries()) zip.addBuffer(bytes, `x/data/${i}`, { compress });
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export const op = (text: string): Buffer => Buffer.from(text, 'latin1');
/** A text of at most 255 bytes, and a number, as opcodes push them. */
export const word = (text: string): string => `X${String.fromCharCode(text.length)}\0\0\0${text}`;
export const int = (value: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return `J${bytes.toString('latin1')}`;
};

/** A tensor of storage 0, which is said to have so many elements. */
export const tensor = (
  elements: number,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  kind = 'FloatStorage',
): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n((${word('storage')}ctorch\n${kind}\n${word('0')}${word('cpu')}${int(elements)}tQ${int(offset)}(${shape.map(int).join('')}t(${strides.map(int).join('')}t\x89)tR`;
export const dict = (...items: readonly (readonly [string, string])[]): Buffer =>
  op(`\x80\x02}(${items.map(([key, value]) => word(key) + value).join('')}u.`);

/** A safetensors file of this header and these data. */
export function withHeader(header: string, data: Uint8Array = new Uint8Array(0)): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}
