import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  readSafetensors,
  readSafetensorsHeader,
  writeSafetensors,
  type NamedTensor,
} from '../../src/formats/safetensors.ts';
import { failure } from '../failures.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'uscl-safetensors-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A file put together by hand, so that reader and writer are not only tested against each other. */
function fileOf(header: string | Uint8Array, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

const EVERY_KIND: readonly NamedTensor[] = [
  { name: 'flags', shape: [3], data: Uint8Array.of(1, 0, 1), dtype: 'BOOL' },
  { name: 'bytes', shape: [1, 5], data: Uint8Array.of(0, 1, 127, 128, 255) },
  { name: 'signed', shape: [2], data: Int8Array.of(-128, 127) },
  { name: 'half', shape: [2], data: Uint16Array.of(0x3c00, 0xc000), dtype: 'F16' },
  { name: 'brain', shape: [2], data: Uint16Array.of(0x3f80, 0xff80), dtype: 'BF16' },
  { name: 'short', shape: [1], data: Int16Array.of(-32768) },
  { name: 'ushort', shape: [1], data: Uint16Array.of(65535) },
  { name: 'layer1.0.conv1.weight', shape: [2, 1, 1, 2], data: Float32Array.of(1.5, -0, NaN, -Infinity) },
  { name: 'int', shape: [], data: Int32Array.of(-5) },
  { name: 'uint', shape: [1], data: Uint32Array.of(4294967295) },
  { name: 'double', shape: [3], data: Float64Array.of(Math.PI, 5e-324, -1e308) },
  { name: 'long', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) },
  { name: 'ulong', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  { name: 'empty', shape: [0, 7], data: new Float32Array(0) },
  { name: 'größe "\n\\ 😀', shape: [1], data: Float32Array.of(7) },
];

describe('writeSafetensors and readSafetensors', () => {
  it('bring back every dtype, shape, bit and word of metadata', () => {
    const path = join(folder, 'all.safetensors');
    const metadata = { config: '{"a":1}', __proto__x: 'y', 'ключ "': 'значение\n😀' };
    writeSafetensors(path, EVERY_KIND, metadata);
    const { tensors, metadata: read } = readSafetensors(path);
    expect(read).toEqual(metadata);
    expect([...tensors.keys()].sort()).toEqual(EVERY_KIND.map(({ name }) => name).sort());
    for (const { name, shape, data, dtype } of EVERY_KIND) {
      const tensor = tensors.get(name)!;
      expect(tensor.shape).toEqual(shape);
      expect(tensor.data).toEqual(data);
      if (dtype !== undefined) expect(tensor.dtype).toBe(dtype);
    }
    expect(readSafetensors(readFileSync(path))).toEqual({ tensors, metadata });
  });

  it('writes what the format describes, byte for byte', () => {
    const path = join(folder, 'two.safetensors');
    const tensors: NamedTensor[] = [
      { name: 'b', shape: [2], data: Uint8Array.of(9, 8) },
      { name: 'a', shape: [1, 1], data: Float32Array.of(1) },
    ];
    writeSafetensors(path, tensors, { step: '3' });
    const header =
      '{"__metadata__":{"step":"3"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},' +
      '"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    expect(Buffer.from(readFileSync(path))).toEqual(
      Buffer.from(fileOf(padded, Uint8Array.of(0, 0, 0x80, 0x3f, 9, 8))),
    );
  });

  it('aligns every tensor to its element in the file', () => {
    const path = join(folder, 'aligned.safetensors');
    writeSafetensors(path, EVERY_KIND);
    const bytes = readFileSync(path);
    const dataStart = 8 + Number(bytes.readBigUInt64LE());
    const { tensors } = readSafetensors(path);
    for (const { name, start } of readSafetensorsHeader(path).tensors)
      expect((dataStart + start) % tensors.get(name)!.data.BYTES_PER_ELEMENT, name).toBe(0);
  });

  it('writes a part of a larger array without its neighbours', () => {
    const path = join(folder, 'part.safetensors');
    const flat = Float32Array.of(1, 2, 3, 4, 5);
    writeSafetensors(path, [{ name: 'middle', shape: [3], data: flat.subarray(1, 4) }]);
    expect(readSafetensors(path).tensors.get('middle')!.data).toEqual(Float32Array.of(2, 3, 4));
  });

  it('holds nothing at all, or metadata alone', () => {
    const path = join(folder, 'none.safetensors');
    writeSafetensors(path, []);
    expect(readSafetensors(path)).toEqual({ tensors: new Map(), metadata: {} });
    writeSafetensors(path, [], { a: '' });
    expect(readSafetensors(path).metadata).toEqual({ a: '' });
  });

  it('reads the header alone', () => {
    const path = join(folder, 'header.safetensors');
    writeSafetensors(path, [{ name: 'w', shape: [2], data: Float32Array.of(1, 2) }], { k: 'v' });
    expect(readSafetensorsHeader(path)).toEqual({
      tensors: [{ name: 'w', dtype: 'F32', shape: [2], start: 0, end: 8 }],
      metadata: { k: 'v' },
      dataBytes: 8,
    });
  });

  it.each<[string, NamedTensor[], RegExp]>([
    [
      'a shape of another size',
      [{ name: 'w', shape: [3], data: Float32Array.of(1, 2) }],
      /shape \[3\] but 2/,
    ],
    ['a negative side', [{ name: 'w', shape: [-1, -2], data: Float32Array.of(1, 2) }], /shape \[-1, -2\]/],
    ['a name given twice', [0, 1].map(() => ({ name: 'w', shape: [0], data: new Int8Array(0) })), /twice/],
    [
      'the reserved name',
      [{ name: '__metadata__', shape: [0], data: new Int8Array(0) }],
      /name that the format keeps/,
    ],
    ['half a character', [{ name: '\ud83d', shape: [0], data: new Int8Array(0) }], /not Unicode/],
    [
      'another dtype',
      [{ name: 'w', shape: [1], data: Int8Array.of(1), dtype: 'BF16' }],
      /data are a Int8Array/,
    ],
  ])('refuse to write %s and leave the old file', (_, tensors, message) => {
    const path = join(folder, 'kept.safetensors');
    writeFileSync(path, 'old');
    const error = failure(() => {
      writeSafetensors(path, tensors);
    });
    expect(error).toMatchObject({ kind: 'usage', code: 'SAFETENSORS_TENSOR' });
    expect(error.message).toMatch(message);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['kept.safetensors']);
  });

  it('refuse metadata that is not Unicode', () => {
    const path = join(folder, 'meta.safetensors');
    expect(
      failure(() => {
        writeSafetensors(path, [], { note: '\udc00' });
      }).code,
    ).toBe('SAFETENSORS_TENSOR');
    expect(existsSync(path)).toBe(false);
  });

  it.skipIf(process.getuid?.() === 0)('say so when the folder is read-only (skipped for root)', () => {
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    const error = failure(() => {
      writeSafetensors(join(locked, 'w.safetensors'), []);
    });
    expect(error).toMatchObject({ kind: 'resource', code: 'WRITE_FAILED' });
  });

  it('say so when a part of the path is a file', () => {
    writeFileSync(join(folder, 'file'), '');
    const error = failure(() => {
      writeSafetensors(join(folder, 'file', 'w.safetensors'), []);
    });
    expect(error).toMatchObject({ kind: 'resource', code: 'WRITE_FAILED' });
  });
});

const F32 = '"dtype":"F32"';
const tensor = (shape: string, offsets: string): string =>
  `{${F32},"shape":${shape},"data_offsets":${offsets}}`;
const bytes = (count: number): Uint8Array => new Uint8Array(count);

describe('readSafetensors accepts', () => {
  it.each<[string, Uint8Array]>([
    ['no tensors', fileOf('{}')],
    ['spaces after the header', fileOf('{}      ')],
    [
      'spaces, tabs and line breaks inside',
      fileOf(`{ \n"w"\t:\r\n { ${F32} , "shape":[ 1 , 1 ] ,"data_offsets" : [0,4]}}`, bytes(4)),
    ],
    ['fields in another order', fileOf(`{"w":{"data_offsets":[0,4],"shape":[1],${F32}}}`, bytes(4))],
    [
      'data in another order than the header',
      fileOf(`{"b":${tensor('[1]', '[4,8]')},"a":${tensor('[1]', '[0,4]')}}`, bytes(8)),
    ],
    [
      'tensors of no elements',
      fileOf(
        `{"a":${tensor('[0]', '[0,0]')},"b":${tensor('[1]', '[0,4]')},"c":${tensor('[3,0]', '[4,4]')}}`,
        bytes(4),
      ),
    ],
    ['escapes in names', fileOf(`{"\\u0061\\ud83d\\ude00":${tensor('[]', '[0,4]')}}`, bytes(4))],
    ['data that is not aligned', fileOf(`{"w":${tensor('[1]', '[0,4]')}} `, bytes(4))],
  ])('%s', (_, file) => {
    expect(() => readSafetensors(file)).not.toThrow();
  });

  it('metadata keys that are dangerous elsewhere', () => {
    const { metadata } = readSafetensors(fileOf('{"__metadata__":{"__proto__":"x","constructor":"y"}}'));
    expect(Object.keys(metadata)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
  });
});

describe('readSafetensors refuses', () => {
  const deep = '['.repeat(1_000_000);
  it.each<[string, Uint8Array, RegExp]>([
    // The frame of the file.
    [
      'a header longer than 100 MB',
      Buffer.from('ffffffffffffff7f', 'hex'),
      /header of 9223372036854775807 bytes/,
    ],
    [
      'a header length of 2^64 − 1',
      Buffer.from('ffffffffffffffff7b7d', 'hex'),
      /more than the 100000000 allowed/,
    ],
    ['bytes after the last tensor', fileOf(`{"w":${tensor('[1]', '[0,4]')}}`, bytes(5)), /1 bytes follow/],
    ['data without tensors', fileOf('{}', bytes(1)), /1 bytes follow/],
    // JSON.
    ['an empty header', fileOf(''), /does not begin with "\{"/],
    ['spaces before the header', fileOf(' {}'), /does not begin with "\{"/],
    ['a byte order mark', fileOf('\ufeff{}'), /does not begin with "\{"/],
    ['a list', fileOf('[]'), /does not begin with "\{"/],
    ['text after the header', fileOf('{}x'), /more after the header/],
    ['a second header', fileOf('{}{}'), /more after the header/],
    ['a header that does not end', fileOf('{"w":'), /expected "\{"/],
    ['a trailing comma', fileOf(`{"w":${tensor('[0]', '[0,0]')},}`), /expected "\\""/],
    ['a missing comma', fileOf(`{"w":${tensor('[0]', '[0,0]')}"v":1}`), /expected ","/],
    ['single quotes', fileOf("{'w':1}"), /expected "\\""/],
    ['a string that does not end', fileOf('{"w'), /string does not end/],
    ['a string that ends in a backslash', fileOf('{"w\\'), /string does not end/],
    ['an unknown escape', fileOf('{"\\x41":1}'), /string is malformed/],
    ['a bare line break in a string', fileOf('{"a\nb":1}'), /string is malformed/],
    ['half a character', fileOf('{"\\ud800":1}'), /string is malformed/],
    ['bytes that are not UTF-8', fileOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a])), /string is malformed/],
    [
      'an overlong encoding',
      fileOf(Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a])),
      /string is malformed/,
    ],
    ['deep nesting in place of a tensor', fileOf(`{"w":${deep}`), /expected "\{"/],
    ['deep nesting in a shape', fileOf(`{"w":{"shape":${deep}`), /non-negative integer/],
    ['a comment', fileOf('{/**/}'), /expected "\\""/],
    // Names.
    [
      'a tensor named twice',
      fileOf(`{"w":${tensor('[0]', '[0,0]')},"w":${tensor('[0]', '[0,0]')}}`),
      /"w" appears twice/,
    ],
    [
      'a name spelt twice in different ways',
      fileOf(`{"w":${tensor('[0]', '[0,0]')},"\\u0077":${tensor('[0]', '[0,0]')}}`),
      /"w" appears twice/,
    ],
    ['metadata given twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" appears twice/],
    ['a metadata key given twice', fileOf('{"__metadata__":{"a":"1","a":"2"}}'), /"a" appears twice/],
    [
      'a field given twice',
      fileOf(`{"w":{${F32},${F32},"shape":[0],"data_offsets":[0,0]}}`),
      /"dtype" appears twice/,
    ],
    // Metadata.
    ['metadata that is no map', fileOf('{"__metadata__":"x"}'), /expected "\{"/],
    ['a number as metadata', fileOf('{"__metadata__":{"a":1}}'), /expected "\\""/],
    ['null as metadata', fileOf('{"__metadata__":null}'), /expected "\{"/],
    // A tensor's fields.
    ['a tensor that is null', fileOf('{"w":null}'), /expected "\{"/],
    ['a tensor without dtype', fileOf('{"w":{"shape":[0],"data_offsets":[0,0]}}'), /lacks dtype/],
    ['a tensor without shape', fileOf(`{"w":{${F32},"data_offsets":[0,0]}}`), /lacks dtype, shape/],
    ['a tensor without offsets', fileOf(`{"w":{${F32},"shape":[0]}}`), /or data_offsets/],
    ['an unknown field', fileOf(`{"w":{${F32},"strides":[1]}}`), /unknown field "strides"/],
    ['a dtype that is no string', fileOf('{"w":{"dtype":1}}'), /expected "\\""/],
    ['a negative side', fileOf(`{"w":${tensor('[-1]', '[0,4]')}}`, bytes(4)), /non-negative integer/],
    ['a fraction', fileOf(`{"w":${tensor('[1.0]', '[0,4]')}}`, bytes(4)), /expected ","/],
    ['an exponent', fileOf(`{"w":${tensor('[1e0]', '[0,4]')}}`, bytes(4)), /expected ","/],
    ['a leading zero', fileOf(`{"w":${tensor('[01]', '[0,4]')}}`, bytes(4)), /non-negative integer/],
    [
      'a side of 2^53',
      fileOf(`{"w":${tensor('[9007199254740992]', '[0,4]')}}`, bytes(4)),
      /non-negative integer/,
    ],
    [
      'a number of a million digits',
      fileOf(`{"w":${tensor(`[${'9'.repeat(1e6)}]`, '[0,4]')}}`, bytes(4)),
      /non-negative integer/,
    ],
    [
      'a shape that overflows',
      fileOf(`{"w":${tensor('[4294967296,4294967296]', '[0,0]')}}`),
      /offsets hold 0 bytes/,
    ],
    [
      'an overflow that a zero would hide',
      fileOf(`{"w":${tensor('[4294967296,4294967296,0]', '[0,0]')}}`),
      /offsets hold 0 bytes/,
    ],
    [
      'a shape larger than its offsets',
      fileOf(`{"w":${tensor('[2]', '[0,4]')}}`, bytes(4)),
      /F32 \[2\] but its offsets hold 4 bytes/,
    ],
    [
      'a shape smaller than its offsets',
      fileOf(`{"w":${tensor('[]', '[0,8]')}}`, bytes(8)),
      /F32 \[\] but its offsets hold 8/,
    ],
    // Offsets.
    ['one offset', fileOf(`{"w":${tensor('[0]', '[0]')}}`), /no range: \[0\]/],
    ['three offsets', fileOf(`{"w":${tensor('[1]', '[0,4,8]')}}`, bytes(4)), /no range: \[0, 4, 8\]/],
    ['offsets that run backwards', fileOf(`{"w":${tensor('[1]', '[4,0]')}}`, bytes(4)), /no range: \[4, 0\]/],
    [
      'a hole before the first tensor',
      fileOf(`{"w":${tensor('[1]', '[4,8]')}}`, bytes(8)),
      /starts at data byte 4 where 0 is next \(a hole\)/,
    ],
    [
      'a hole between tensors',
      fileOf(`{"a":${tensor('[1]', '[0,4]')},"b":${tensor('[1]', '[8,12]')}}`, bytes(12)),
      /"b" starts at data byte 8 .* hole/,
    ],
    [
      'tensors that overlap',
      fileOf(`{"a":${tensor('[2]', '[0,8]')},"b":${tensor('[1]', '[4,8]')}}`, bytes(8)),
      /"b" starts at data byte 4 .* overlap/,
    ],
    [
      'two tensors in one place',
      fileOf(`{"a":${tensor('[1]', '[0,4]')},"b":${tensor('[1]', '[0,4]')}}`, bytes(4)),
      /overlap/,
    ],
    [
      'an empty tensor inside another',
      fileOf(`{"a":${tensor('[2]', '[0,8]')},"b":${tensor('[0]', '[4,4]')}}`, bytes(8)),
      /overlap/,
    ],
  ])('%s', (_, file, message) => {
    const error = failure(() => readSafetensors(file));
    expect(error).toMatchObject({ kind: 'data', code: 'SAFETENSORS_INVALID' });
    expect(error.message).toMatch(message);
    expect(error.message.length).toBeLessThan(400);
    expect(error.where).toMatch(/^the given bytes, byte \d+$/);
  });

  it('a dtype it does not know, naming what it does', () => {
    const error = failure(() =>
      readSafetensors(fileOf('{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', bytes(1))),
    );
    expect(error).toMatchObject({ kind: 'data', code: 'SAFETENSORS_DTYPE' });
    expect(error.message).toContain('"F8_E4M3"');
    expect(error.remedy).toContain('BF16');
    // Names of an object's own machinery are no dtypes.
    const inherited = fileOf('{"w":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', bytes(1));
    expect(failure(() => readSafetensors(inherited)).code).toBe('SAFETENSORS_DTYPE');
  });

  it('names the file and the byte', () => {
    const path = join(folder, 'bad.safetensors');
    writeFileSync(path, fileOf('{"w":{"dtype":7}}'));
    // 8 bytes of length, then the 7 at offset 14 of the header.
    expect(failure(() => readSafetensors(path)).where).toBe(`${path}, byte ${8 + 14}`);
  });

  it('claims of gigabytes before it allocates them', () => {
    const huge = fileOf(`{"w":${tensor('[1099511627776]', '[0,4398046511104]')}}`, bytes(4));
    const before = process.memoryUsage().arrayBuffers;
    expect(failure(() => readSafetensors(huge))).toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
  });

  it('a tensor no memory can hold, even where the (sparse) file has it', () => {
    const path = join(folder, 'sparse.safetensors');
    const header = fileOf(`{"w":${tensor('[1099511627776]', '[0,4398046511104]')}}`);
    writeFileSync(path, header);
    truncateSync(path, header.length + 2 ** 42);
    expect(failure(() => readSafetensors(path))).toMatchObject({
      kind: 'resource',
      code: 'SAFETENSORS_TOO_LARGE',
    });
  });

  it('every shortened file, with the length it has', () => {
    const path = join(folder, 'whole.safetensors');
    writeSafetensors(path, EVERY_KIND, { k: 'v' });
    const whole = readFileSync(path);
    const cut = join(folder, 'cut.safetensors');
    for (let length = 0; length < whole.length; length++) {
      const error = failure(() => readSafetensors(whole.subarray(0, length)));
      expect(error.code).toBe('SAFETENSORS_TRUNCATED');
      expect(error.message).toContain(`at byte ${length}`);
      if (length % 97 !== 0) continue;
      writeFileSync(cut, whole.subarray(0, length));
      expect(failure(() => readSafetensors(cut))).toMatchObject({
        code: 'SAFETENSORS_TRUNCATED',
        where: `${cut}, byte ${length}`,
      });
    }
  });

  it('paths that are absent, folders, or no paths', () => {
    for (const path of [join(folder, 'absent'), folder, 'a\0b'])
      expect(failure(() => readSafetensors(path))).toMatchObject({
        kind: 'data',
        code: 'FILE_UNREADABLE',
        where: path,
      });
  });
});
