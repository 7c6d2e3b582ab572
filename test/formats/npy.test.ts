import { expect, test } from 'vitest';
import { npyChunks } from '../../src/formats/npy.ts';

// What `numpy.save` (2.4.6) writes, in base64: arange(6) / 4 − 1 as f32 [2, 3], and an empty [0, 512].
const SAVED =
  'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIs' +
  'IDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg' +
  'IAoAAIC/AABAvwAAAL8AAIC+AAAAAAAAgD4=';
const EMPTY =
  'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDAs' +
  'IDUxMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg' +
  'IAo=';

test('a matrix is NumPy’s own file, byte for byte', () => {
  const values = Float32Array.from({ length: 6 }, (_, i) => i / 4 - 1);
  // Part of a larger array: its offset counts.
  const part = Float32Array.of(9, ...values, 9).subarray(1, 7);
  expect(Buffer.concat(npyChunks(part, 2, 3)).toString('base64')).toBe(SAVED);
  expect(Buffer.concat(npyChunks(new Float32Array(0), 0, 512)).toString('base64')).toBe(EMPTY);
});

test('numbers begin at a multiple of 64 bytes, whatever the shape', () => {
  for (const columns of [1, 99, 99_999]) {
    const [prefix, size, header] = npyChunks(new Float32Array(columns), 1, columns);
    expect((prefix!.length + size!.length + header!.length) % 64).toBe(0);
  }
});

test('numbers that are no such matrix are refused', () => {
  expect(() => npyChunks(new Float32Array(5), 2, 3)).toThrow('5 numbers are not 2 × 3');
});
