/**
 * The headers of a JPEG 2000 codestream (ITU-T T.800 annex A): size, tiles and coding parameters. A few bytes there can
 * ask a decoder for gigabytes or hours, so that everything that its memory and time depend on is bounded before it runs.
 */
import { damaged, dicomError } from './errors.ts';

export interface Jpeg2000Header {
  readonly width: number;
  readonly height: number;
  readonly precision: number;
  readonly components: number;
  /** Whether the components went through the codestream's own colour transformation: they come out as RGB. */
  readonly colourTransform: boolean;
  /** Memory that the decoder's tables take, beyond the samples. */
  readonly tableBytes: number;
}

const SOC = 0xff4f;
const SIZ = 0xff51;
const COD = 0xff52;
const COC = 0xff53;
const POC = 0xff5f;
const SOT = 0xff90;
const SOD = 0xff93;
const EOC = 0xffd9;

const MAX_TILES = 1024;
/** A tile's parameters in the decoder, about. */
const TILE_BYTES = 10_000;
const PRECINCT_BYTES = 400;
const BLOCK_BYTES = 120;
/** Packets are what a decoder walks over, whether or not there are bytes for them. */
const MAX_PACKETS = 1_000_000;

interface Size {
  readonly width: number;
  readonly height: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly tiles: number;
  readonly precision: number;
  readonly components: number;
}

interface Cost {
  bytes: number;
  packets: number;
  layers: number;
}

/** The codestream within a JP2 file, or the bytes themselves where they are one. */
export function codestreamOf(bytes: Uint8Array, where: string): Uint8Array {
  if (bytes.length < 12) throw damaged('is too short', where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) === SOC) return bytes;
  if (view.getUint32(4) !== 0x6a502020) throw damaged('does not begin like JPEG 2000', where);
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x6a703263) return bytes.subarray(at + 8);
    if (length < 8) break;
    at += length;
  }
  throw damaged('has no codestream', where);
}

/** @throws UsclError `DICOM_CODESTREAM`, `DICOM_UNSUPPORTED`. */
export function readJpeg2000Header(bytes: Uint8Array, where: string): Jpeg2000Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== SOC || view.getUint16(2) !== SIZ)
    throw damaged('does not begin with its size', where);
  let at = 2;
  let size: Size | undefined;
  let colourTransform = false;
  const cost: Cost = { bytes: 0, packets: 0, layers: 1 };
  let parameters = 0;
  // End of the tile-part whose header is being read.
  let tilePartEnd: number | undefined;
  for (let tileParts = 0; at + 2 <= bytes.length;) {
    const marker = view.getUint16(at);
    if (marker === EOC) break;
    if (marker === SOD) {
      if (tilePartEnd === undefined) throw damaged('has data before its first tile', where);
      at = tilePartEnd;
      tilePartEnd = undefined;
      continue;
    }
    if (at + 4 > bytes.length) break;
    const length = view.getUint16(at + 2);
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) throw damaged('has a segment that is cut short', where);
    const segment = new DataView(bytes.buffer, bytes.byteOffset + at + 4, length - 2);
    if (marker === SIZ) {
      if (size !== undefined) throw damaged('has two sizes', where);
      size = readSize(segment, where);
      cost.bytes += size.tiles * TILE_BYTES;
    } else if (size === undefined) throw damaged('does not begin with its size', where);
    else if (marker === COD || marker === COC) {
      // Each one may hold for all tiles; real codestreams have one, or one a component.
      if (++parameters > 16) throw damaged('has too many coding parameters', where);
      if (marker === COD && tilePartEnd === undefined) colourTransform = byteAt(segment, 4, where) !== 0;
      addCost(cost, size, segment, marker === COD ? 5 : size.components < 257 ? 2 : 3, where);
      if (marker === COD)
        cost.layers = Math.max(cost.layers, byteAt(segment, 2, where) * 256 + byteAt(segment, 3, where));
    } else if (marker === POC) {
      if (length > 2 + 32 * 9) throw damaged('has too many progression changes', where);
    } else if (marker === SOT) {
      if (length !== 10) throw damaged('has a damaged tile header', where);
      if (++tileParts > 4 * MAX_TILES) throw damaged('has too many tile-parts', where);
      const bytesOfPart = segment.getUint32(2);
      // 0 is for the last one: to the end.
      tilePartEnd = bytesOfPart === 0 ? bytes.length : Math.min(bytes.length, at + bytesOfPart);
      if (tilePartEnd < end) throw damaged('has a tile-part that is shorter than its header', where);
    }
    at = end;
  }
  if (size === undefined || parameters === 0) throw damaged('has no coding parameters', where);
  if (cost.packets * cost.layers > MAX_PACKETS)
    throw damaged('has more packets than any picture needs', where);
  const { width, height, precision, components } = size;
  return { width, height, precision, components, colourTransform, tableBytes: cost.bytes };
}

function readSize(segment: DataView, where: string): Size {
  if (segment.byteLength < 36) throw damaged('has a damaged size', where);
  const field = (index: number): number => segment.getUint32(2 + 4 * index);
  const [right, bottom, left, top] = [field(0), field(1), field(2), field(3)];
  const [tileWidth, tileHeight, tileLeft, tileTop] = [field(4), field(5), field(6), field(7)];
  const components = segment.getUint16(34);
  const isWhole = segment.byteLength === 36 + 3 * components && components > 0;
  const isEmpty = right <= left || bottom <= top || tileWidth < 1 || tileHeight < 1;
  if (!isWhole || isEmpty || tileLeft > left || tileTop > top) throw damaged('has a damaged size', where);
  const tiles = Math.ceil((right - tileLeft) / tileWidth) * Math.ceil((bottom - tileTop) / tileHeight);
  if (tiles > MAX_TILES) throw damaged(`has ${tiles} tiles, more than any picture needs`, where);
  const depths = Array.from({ length: components }, (_, i) => segment.getUint8(36 + 3 * i));
  if (depths.some((depth) => depth !== depths[0])) throw unsupported('components of different depths', where);
  for (let i = 0; i < components; i++)
    if (segment.getUint8(37 + 3 * i) !== 1 || segment.getUint8(38 + 3 * i) !== 1)
      throw unsupported('components of different sizes', where);
  const width = right - left;
  const height = bottom - top;
  return {
    width,
    height,
    tileWidth: Math.min(tileWidth, width),
    tileHeight: Math.min(tileHeight, height),
    tiles,
    precision: (depths[0]! & 0x7f) + 1,
    components,
  };
}

/** Precincts and code blocks of all tiles, from the parameters that begin at byte `at` of a COD or COC segment. */
function addCost(cost: Cost, size: Size, segment: DataView, at: number, where: string): void {
  const levels = byteAt(segment, at, where);
  if (levels > 32) throw damaged('has too many resolutions', where);
  const blockWidth = 2 ** ((byteAt(segment, at + 1, where) & 15) + 2);
  const blockHeight = 2 ** ((byteAt(segment, at + 2, where) & 15) + 2);
  // The first byte of COD and COC says whether precincts have sizes of their own.
  const flags = byteAt(segment, at === 5 ? 0 : at - 1, where);
  const own = (flags & 1) === 1;
  let precincts = 0;
  let blocks = 0;
  for (let level = 0; level <= levels; level++) {
    const exponents = own ? byteAt(segment, at + 5 + level, where) : 0xff;
    const scale = 2 ** (levels - level);
    const width = Math.ceil(size.tileWidth / scale) + 1;
    const height = Math.ceil(size.tileHeight / scale) + 1;
    const across = Math.ceil(width / 2 ** (exponents & 15)) + 1;
    const down = Math.ceil(height / 2 ** (exponents >> 4)) + 1;
    precincts += across * down;
    // Code blocks never reach beyond a precinct, so that small precincts make small blocks.
    const blockAcross = Math.min(blockWidth, 2 ** Math.max(0, (exponents & 15) - 1));
    const blockDown = Math.min(blockHeight, 2 ** Math.max(0, (exponents >> 4) - 1));
    blocks += (Math.ceil(width / blockAcross) + 1) * (Math.ceil(height / blockDown) + 1);
  }
  // Tiles are decoded one at a time; their packets add up.
  cost.bytes = Math.max(
    cost.bytes,
    size.tiles * TILE_BYTES + size.components * (precincts * PRECINCT_BYTES + blocks * BLOCK_BYTES),
  );
  cost.packets = Math.max(cost.packets, size.tiles * size.components * precincts);
}

function byteAt(segment: DataView, at: number, where: string): number {
  if (at >= segment.byteLength) throw damaged('has coding parameters that are cut short', where);
  return segment.getUint8(at);
}

function unsupported(what: string, where: string): Error {
  return dicomError('DICOM_UNSUPPORTED', `JPEG 2000 with ${what} is not read.`, where);
}
