/**
 * Matrices as NumPy reads them: format 1.0 of `.npy`, little-endian f32, row by row.
 * Source: NumPy Enhancement Proposal 1 and the documentation of `numpy.lib.format`.
 */

/** Bytes before the numbers are a multiple of it. */
const ALIGNMENT = 64;
/** The magic word, the version 1.0, and two bytes for the length of the header. */
const PREFIX = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** The bytes of a file with `values` [rows, columns]. Numbers are not copied. */
export function npyChunks(values: Float32Array, rows: number, columns: number): readonly Uint8Array[] {
  if (values.length !== rows * columns)
    throw new RangeError(`${values.length} numbers are not ${rows} × ${columns}`);
  const said = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const before = PREFIX.length + 2;
  const length = Math.ceil((before + said.length + 1) / ALIGNMENT) * ALIGNMENT - before;
  const header = Buffer.from(`${said.padEnd(length - 1)}\n`, 'latin1');
  const size = Buffer.alloc(2);
  size.writeUInt16LE(header.length);
  return [PREFIX, size, header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
}
