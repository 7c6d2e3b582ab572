/**
 * The picture size in an H.264 sequence parameter set (ITU-T H.264, 7.3.2.1.1 and annex E.1.1). Reads what comes up to
 * the pixel aspect ratio and nothing behind it. Says null, and does not throw, where a set is cut off or of a kind that
 * is not read here (scaling matrices, separate colour planes).
 */
export interface SpsPicture {
  /** Pixels after cropping. */
  readonly width: number;
  readonly height: number;
  /** Width of a pixel beside its height, or null when it is not told. */
  readonly pixelAspect: number | null;
}

/** Profiles whose sets tell chroma format and bit depth. */
const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128]);

/** Table E-1, index 1 to 16. */
const ASPECTS: readonly (readonly [number, number])[] = [
  ...([
    [1, 1],
    [12, 11],
    [10, 11],
    [16, 11],
    [40, 33],
    [24, 11],
    [20, 11],
    [32, 11],
  ] as const),
  ...([
    [80, 33],
    [18, 11],
    [15, 11],
    [64, 33],
    [160, 99],
    [4, 3],
    [3, 2],
    [2, 1],
  ] as const),
];
const EXTENDED_ASPECT = 255;

/** Longest Exp-Golomb prefix that fits 32 bits; and the most pictures an order cycle may have (7.4.2.1.1). */
const MAX_PREFIX = 31;
const MAX_CYCLE = 255;

class NotRead extends Error {}

/** Reads one NAL unit of type 7, header byte included. */
export function readSps(nal: Uint8Array): SpsPicture | null {
  try {
    return parse(nal);
  } catch (thrown) {
    if (thrown instanceof NotRead) return null;
    throw thrown;
  }
}

function parse(nal: Uint8Array): SpsPicture {
  if (((nal[0] ?? 0) & 0x9f) !== 7) throw new NotRead();
  const bits = new Bits(payloadOf(nal));
  const profile = bits.u(8);
  bits.u(16);
  bits.ue();
  let chroma = 1;
  if (HIGH_PROFILES.has(profile)) {
    chroma = bits.ue();
    if (chroma > 3 || (chroma === 3 && bits.u(1) === 1)) throw new NotRead();
    // 8 bits a sample only, and no transform bypass.
    if (bits.ue() !== 0 || bits.ue() !== 0 || bits.u(2) !== 0) throw new NotRead();
  }
  bits.ue();
  skipPictureOrder(bits);
  bits.ue();
  bits.u(1);
  const columns = bits.ue() + 1;
  const rows = bits.ue() + 1;
  const fields = bits.u(1) === 1 ? 1 : 2;
  if (fields === 2) bits.u(1);
  bits.u(1);
  const [left, right, top, bottom] =
    bits.u(1) === 1 ? [bits.ue(), bits.ue(), bits.ue(), bits.ue()] : [0, 0, 0, 0];
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = (chroma === 1 ? 2 : 1) * fields;
  const width = columns * 16 - (left + right) * unitX;
  const height = rows * 16 * fields - (top + bottom) * unitY;
  if (width < 1 || height < 1) throw new NotRead();
  return { width, height, pixelAspect: pixelAspectOf(bits) };
}

function skipPictureOrder(bits: Bits): void {
  const type = bits.ue();
  if (type > 2) throw new NotRead();
  if (type === 0) bits.ue();
  if (type !== 1) return;
  bits.u(1);
  bits.ue();
  bits.ue();
  const cycle = bits.ue();
  if (cycle > MAX_CYCLE) throw new NotRead();
  for (let i = 0; i < cycle; i++) bits.ue();
}

function pixelAspectOf(bits: Bits): number | null {
  const isTold = bits.u(1) === 1 && bits.u(1) === 1;
  if (!isTold) return null;
  const kind = bits.u(8);
  const [width, height] = kind === EXTENDED_ASPECT ? [bits.u(16), bits.u(16)] : (ASPECTS[kind - 1] ?? [0, 0]);
  return width === 0 || height === 0 ? null : width / height;
}

/** Without the header byte and the 3 that keep start codes out (7.3.1). */
function payloadOf(nal: Uint8Array): Uint8Array {
  const payload: number[] = [];
  for (let i = 1; i < nal.length; i++) {
    if (nal[i] === 3 && i > 2 && nal[i - 1] === 0 && nal[i - 2] === 0) continue;
    payload.push(nal[i]!);
  }
  return Uint8Array.from(payload);
}

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** An unsigned number of `count` bits, up to 32. */
  u(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const byte = this.#bytes[this.#at >> 3];
      if (byte === undefined) throw new NotRead();
      value = value * 2 + ((byte >> (7 - (this.#at & 7))) & 1);
      this.#at++;
    }
    return value;
  }

  /** An unsigned Exp-Golomb code (9.1). Signed ones have the same length. */
  ue(): number {
    let zeros = 0;
    while (this.u(1) === 0) if (++zeros > MAX_PREFIX) throw new NotRead();
    return 2 ** zeros - 1 + this.u(zeros);
  }
}
