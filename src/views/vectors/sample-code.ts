/** Loops that take bytes of a picture from other places: samples between four pixels, and the two passes of a resize. */
import * as c from './code.ts';
import { kernel } from './module.ts';

/** Pixels of a view between two nodes. */
export const NODE_STEP = 4;

const four = (value: number): c.V128 => c.singles([value, value, value, value]);

/**
 * Bilinear samples of a plane of bytes at places between nodes, in single precision, rounded. The plane's first pixel is at `source`; a
 * pixel of black must surround it, and more to the right and below where it is narrower than that. Places are held within −1 and
 * `right` or `bottom`. A node is a place (u, v); rows of nodes are `nodeStride` bytes long and serve `NODE_STEP` rows of the target.
 */
export const sample = kernel(
  ['i32', 'i32', 'f32', 'f32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  (
    [source, stride, right, bottom, target, targetStride, nodes, nodeStride, cellRows, cellColumns],
    variable,
  ) => {
    const [row, column, node, out] = [variable('i32'), variable('i32'), variable('i32'), variable('i32')];
    const [u, v, downU, downV] = [variable('v128'), variable('v128'), variable('v128'), variable('v128')];
    const [x, y, left, top] = [variable('v128'), variable('v128'), variable('v128'), variable('v128')];
    const pixels = variable('v128');
    const addresses = [variable('i32'), variable('i32'), variable('i32'), variable('i32')];
    const ways = [0, 1, 2, 3].map((i) => (i + 0.5) / NODE_STEP);
    const between = (from: c.V128, to: c.V128, share: c.V128): c.V128 =>
      c.f32.add(from, c.f32.multiply(c.f32.subtract(to, from), share));
    const alongRow = (distance: number, below: boolean): c.V128 => {
      const at = below ? c.add(c.get(node), c.get(nodeStride)) : c.get(node);
      return between(c.loadSplat32(at, distance), c.loadSplat32(at, distance + 8), c.singles(ways));
    };
    const held = (place: c.V128, limit: c.Local<'f32'>): c.V128 =>
      c.f32.greatest(c.f32.least(place, c.splatSingle(c.get(limit))), four(-1));
    const pixelRow = (j: number): readonly c.Statement[] => {
      const lefts = c.and(c.get(pixels), c.i16.splat(255));
      const rights = c.i16.shiftRight(c.get(pixels), 8);
      const single = c.f32.ofInts;
      return [
        c.set(x, held(c.f32.add(c.get(u), c.f32.multiply(c.get(downU), four(ways[j]!))), right)),
        c.set(y, held(c.f32.add(c.get(v), c.f32.multiply(c.get(downV), four(ways[j]!))), bottom)),
        c.set(left, c.f32.floor(c.get(x))),
        c.set(top, c.f32.floor(c.get(y))),
        c.set(x, c.f32.subtract(c.get(x), c.get(left))),
        c.set(y, c.f32.subtract(c.get(y), c.get(top))),
        c.set(
          left,
          c.i32.add(
            c.i32.add(
              c.i32.multiply(c.i32.ofSingles(c.get(top)), c.splatInt(c.get(stride))),
              c.i32.ofSingles(c.get(left)),
            ),
            c.splatInt(c.get(source)),
          ),
        ),
        ...addresses.map((address, i) => c.set(address, c.laneInt(c.get(left), i))),
        c.set(pixels, c.ints([0, 0, 0, 0])),
        ...addresses.map((address, i) => c.set(pixels, c.loadLane16(c.get(address), c.get(pixels), i))),
        ...addresses.map((address, i) =>
          c.set(pixels, c.loadLane16(c.add(c.get(address), c.get(stride)), c.get(pixels), i + 4)),
        ),
        c.set(top, between(single(c.i32.lowUnsigned(lefts)), single(c.i32.lowUnsigned(rights)), c.get(x))),
        c.set(left, between(single(c.i32.highUnsigned(lefts)), single(c.i32.highUnsigned(rights)), c.get(x))),
        c.set(pixels, c.i32.ofSingles(c.f32.add(between(c.get(top), c.get(left), c.get(y)), four(0.5)))),
        c.set(pixels, c.i16.narrow(c.get(pixels), c.get(pixels))),
        c.storeLane32(c.get(out), c.u8.narrow(c.get(pixels), c.get(pixels)), 0),
        c.set(out, c.add(c.get(out), c.get(targetStride))),
      ];
    };
    return [
      c.repeat(row, c.int(0), c.get(cellRows), c.int(1), [
        c.repeat(column, c.int(0), c.get(cellColumns), c.int(1), [
          c.set(node, c.add(c.get(nodes), c.shiftLeft(c.get(column), c.int(3)))),
          c.set(out, c.add(c.get(target), c.shiftLeft(c.get(column), c.int(2)))),
          c.set(u, alongRow(0, false)),
          c.set(v, alongRow(4, false)),
          c.set(downU, c.f32.subtract(alongRow(0, true), c.get(u))),
          c.set(downV, c.f32.subtract(alongRow(4, true), c.get(v))),
          ...ways.flatMap((_, j) => pixelRow(j)),
        ]),
        c.set(nodes, c.add(c.get(nodes), c.get(nodeStride))),
        c.set(target, c.add(c.get(target), c.multiply(c.get(targetStride), c.int(NODE_STEP)))),
      ]),
    ];
  },
);

/** Bits that weights of 22 bits are parted at: what lies above and below fits into 16 bits with a sign. */
export const PARTED = 11;

/** What two sums of products with parted weights come to, rounded, as bytes in 32 bits. */
const whole = (high: c.V128, low: c.V128): c.V128 =>
  c.i32.shiftRight(
    c.i32.add(c.i32.add(c.i32.shiftLeft(high, PARTED), low), c.ints([1, 1, 1, 1].map((one) => one << 21))),
    22,
  );

/** Bytes of a group's head: where its first pixel lies (16), and which of the 16 bytes from there its pairs are (16). */
export const GROUP_HEAD = 32;
/** Bytes of the weights of a pair of taps of a group: the upper parts, then the lower ones. */
export const GROUP_PAIR = 32;

/**
 * The pass along rows: `rows` rows of bytes, resampled to `groups` times four. Groups lie one after another at `table`: a head, then
 * weights for each pair of taps; `pairs` is that of their number times 32.
 */
export const across = kernel(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  ([source, stride, target, targetStride, rows, table, width, pairs], variable) => {
    const [y, x, k] = [variable('i32'), variable('i32'), variable('i32')];
    const [at, group, places] = [variable('i32'), variable('i32'), variable('v128')];
    const [bytes, high, low] = [variable('v128'), variable('v128'), variable('v128')];
    return [
      c.repeat(y, c.int(0), c.get(rows), c.int(1), [
        c.set(group, c.get(table)),
        c.repeat(x, c.int(0), c.get(width), c.int(4), [
          c.set(at, c.add(c.get(source), c.loadInt(c.get(group)))),
          c.set(places, c.loadVector(c.get(group), 16)),
          c.set(high, c.ints([0, 0, 0, 0])),
          c.set(low, c.ints([0, 0, 0, 0])),
          c.set(group, c.add(c.get(group), c.int(GROUP_HEAD))),
          c.repeat(k, c.int(0), c.get(pairs), c.int(GROUP_PAIR), [
            c.set(bytes, c.i16.lowBytes(c.swizzle(c.loadVector(c.get(at)), c.get(places)))),
            c.set(high, c.i32.add(c.get(high), c.i32.dot(c.get(bytes), c.loadVector(c.get(group))))),
            c.set(low, c.i32.add(c.get(low), c.i32.dot(c.get(bytes), c.loadVector(c.get(group), 16)))),
            c.set(at, c.add(c.get(at), c.int(2))),
            c.set(group, c.add(c.get(group), c.int(GROUP_PAIR))),
          ]),
          c.set(high, whole(c.get(high), c.get(low))),
          c.set(high, c.i16.narrow(c.get(high), c.get(high))),
          c.storeLane32(c.add(c.get(target), c.get(x)), c.u8.narrow(c.get(high), c.get(high)), 0),
        ]),
        c.set(source, c.add(c.get(source), c.get(stride))),
        c.set(target, c.add(c.get(target), c.get(targetStride))),
      ]),
    ];
  },
);

/**
 * The pass along columns: `width` bytes of a row, a multiple of 16. Rows of the result lie one after another at `table`: where the first
 * row of their taps begins, from `source` on (4 bytes), then for each pair of taps the upper and the lower parts of weights (8);
 * `pairs` is that of their number times 8.
 */
export const down = kernel(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  ([source, stride, target, targetStride, rows, table, width, pairs], variable) => {
    const [y, x, k, at] = [variable('i32'), variable('i32'), variable('i32'), variable('i32')];
    const [first, second, pair] = [variable('v128'), variable('v128'), variable('v128')];
    const [upper, lower] = [variable('v128'), variable('v128')];
    const highs = [variable('v128'), variable('v128'), variable('v128'), variable('v128')];
    const lows = [variable('v128'), variable('v128'), variable('v128'), variable('v128')];
    const weights = variable('i32');
    const interleaved = (from: number): c.V128 =>
      c.shuffle(
        c.get(first),
        c.get(second),
        Array.from({ length: 16 }, (_, i) => from + (i >> 1) + 16 * (i & 1)),
      );
    const sum = (i: number): readonly c.Statement[] => [
      c.set(pair, (i % 2 === 0 ? c.i16.lowBytes : c.i16.highBytes)(interleaved(i < 2 ? 0 : 8))),
      c.set(highs[i]!, c.i32.add(c.get(highs[i]!), c.i32.dot(c.get(pair), c.get(upper)))),
      c.set(lows[i]!, c.i32.add(c.get(lows[i]!), c.i32.dot(c.get(pair), c.get(lower)))),
    ];
    const result = (i: number): c.V128 => whole(c.get(highs[i]!), c.get(lows[i]!));
    return [
      c.repeat(y, c.int(0), c.get(rows), c.int(1), [
        c.repeat(x, c.int(0), c.get(width), c.int(16), [
          c.set(at, c.add(c.add(c.get(source), c.loadInt(c.get(table))), c.get(x))),
          ...[...highs, ...lows].map((part) => c.set(part, c.ints([0, 0, 0, 0]))),
          c.set(weights, c.add(c.get(table), c.int(4))),
          c.repeat(k, c.int(0), c.get(pairs), c.int(8), [
            c.set(first, c.loadVector(c.get(at))),
            c.set(second, c.loadVector(c.add(c.get(at), c.get(stride)))),
            c.set(upper, c.loadSplat32(c.get(weights))),
            c.set(lower, c.loadSplat32(c.get(weights), 4)),
            ...[0, 1, 2, 3].flatMap(sum),
            c.set(weights, c.add(c.get(weights), c.int(8))),
            c.set(at, c.add(c.get(at), c.shiftLeft(c.get(stride), c.int(1)))),
          ]),
          c.storeVector(
            c.add(c.get(target), c.get(x)),
            c.u8.narrow(c.i16.narrow(result(0), result(1)), c.i16.narrow(result(2), result(3))),
          ),
        ]),
        c.set(target, c.add(c.get(target), c.get(targetStride))),
        c.set(table, c.add(c.get(table), c.add(c.int(4), c.get(pairs)))),
      ]),
    ];
  },
);
