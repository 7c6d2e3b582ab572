/** Loops over a row of levels whose change hangs on their place: gain along depth, and equalisation through the maps around a pixel. */
import * as c from './code.ts';
import { kernel } from './module.ts';

/** Doubles of the first two, and of the other two, of four whole numbers. */
const doublesOf = (four: c.V128): readonly [c.V128, c.V128] => [
  c.f64.ofInts(four),
  c.f64.ofInts(c.shuffle(four, four, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7])),
];

/** Stores the first four bytes of `changed` at a place of a plane, where the mask is set there. */
const storeMasked = (
  plane: c.Local<'i32'>,
  mask: c.Local<'i32'>,
  at: c.Local<'i32'>,
  changed: c.V128,
): c.Statement => {
  const [levels, set] = [c.add(c.get(plane), c.get(at)), c.add(c.get(mask), c.get(at))];
  return c.storeLane32(
    levels,
    c.choose(c.loadZero32(levels), changed, c.u8.equal(c.loadZero32(set), c.ints([0, 0, 0, 0]))),
    0,
  );
};

const both = (value: number): c.V128 => c.doubles([value, value]);

/**
 * Adds to levels the curve's value at their depth, where the mask is set; in each of the planes, which are `area` bytes apart and end at
 * `end`. Rows of levels and of the mask are `stride` bytes apart, a multiple of 4. A point (u, v) of the view lies across
 * = a·u + bv + c − x and down = d·u + ev + f − y from the middle; of each row, `along` holds bv and ev. `curve` holds `depths` + 1
 * doubles for depths 0 to 1; `radius` is that of the arc through the middle, and without one beams run straight down.
 */
export const addDepth = (straight: boolean) =>
  kernel(
    [
      ...(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'] as const),
      ...(['f64', 'f64', 'f64', 'f64', 'f64', 'f64', 'f64', 'f64', 'f64'] as const),
    ],
    (
      [pixels, mask, stride, rows, area, end, curve, along, a, cx, x, d, fy, y, radius, whole, depths],
      variable,
    ) => {
      const [row, bv, ev] = [variable('i32'), variable('v128'), variable('v128')];
      const [at, plane] = [variable('i32'), variable('i32')];
      const [beyond, range, left] = [variable('v128'), variable('v128'), variable('v128')];
      const halves = [variable('v128'), variable('v128')] as const;
      const shifts = [variable('v128'), variable('v128')] as const;
      const [levels, index] = [variable('v128'), variable('v128')];
      const splat = (value: c.Local<'f64'>): c.V128 => c.splatDouble(c.get(value));
      /** (slope · u + along) + offset − middle. */
      const from = (
        u: c.Local<'v128'>,
        slope: c.Local<'f64'>,
        share: c.Local<'v128'>,
        offset: c.Local<'f64'>,
        middle: c.Local<'f64'>,
      ): c.V128 =>
        c.f64.subtract(
          c.f64.add(c.f64.add(c.f64.multiply(splat(slope), c.get(u)), c.get(share)), splat(offset)),
          splat(middle),
        );
      const squared = (value: c.Local<'v128'>): c.V128 => c.f64.multiply(c.get(value), c.get(value));
      const shiftOf = (half: 0 | 1): readonly c.Statement[] => {
        const u = halves[half];
        const address = (lane: number): c.I32 =>
          c.add(c.get(curve), c.shiftLeft(c.laneInt(c.get(index), lane), c.int(3)));
        return [
          c.set(range, from(u, d, ev, fy, y)),
          ...(straight
            ? []
            : [
                c.set(left, from(u, a, bv, cx, x)),
                c.set(beyond, c.f64.add(c.get(range), splat(radius))),
                c.set(
                  range,
                  c.f64.subtract(c.f64.sqrt(c.f64.add(squared(left), squared(beyond))), splat(radius)),
                ),
              ]),
          // The depth, held within 0 and 1.
          c.set(range, c.f64.add(both(0.5), c.f64.divide(c.get(range), splat(whole)))),
          c.set(range, c.f64.least(c.f64.greatest(c.get(range), both(0)), both(1))),
          c.set(index, c.i32.ofDoubles(c.f64.add(c.f64.multiply(splat(depths), c.get(range)), both(0.5)))),
          c.set(shifts[half], c.loadZero64(address(0))),
          c.set(shifts[half], c.loadLane64(address(1), c.get(shifts[half]), 1)),
          c.set(u, c.f64.add(c.get(u), both(4))),
        ];
      };
      const shifted = (half: 0 | 1): c.V128 =>
        c.i32.ofDoubles(
          c.f64.least(
            c.f64.greatest(
              c.f64.add(
                c.f64.add(
                  doublesOf(c.i32.lowUnsigned(c.i16.lowBytes(c.get(levels))))[half],
                  c.get(shifts[half]),
                ),
                both(0.5),
              ),
              both(0),
            ),
            both(255),
          ),
        );
      const firstHalves = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
      return [
        c.repeat(row, c.int(0), c.get(rows), c.int(1), [
          c.set(bv, c.loadSplat64(c.get(along))),
          c.set(ev, c.loadSplat64(c.get(along), 8)),
          c.set(along, c.add(c.get(along), c.int(16))),
          c.set(halves[0], c.doubles([0.5, 1.5])),
          c.set(halves[1], c.doubles([2.5, 3.5])),
          c.repeat(at, c.int(0), c.get(stride), c.int(4), [
            ...shiftOf(0),
            ...shiftOf(1),
            c.repeat(plane, c.get(pixels), c.get(end), c.get(area), [
              c.set(levels, c.loadZero32(c.add(c.get(plane), c.get(at)))),
              c.set(index, c.shuffle(shifted(0), shifted(1), firstHalves)),
              c.set(index, c.i16.narrow(c.get(index), c.get(index))),
              storeMasked(plane, mask, at, c.u8.narrow(c.get(index), c.get(index))),
            ]),
          ]),
          ...[pixels, mask, end].map((place) => c.set(place, c.add(c.get(place), c.get(stride)))),
        ]),
      ];
    },
  );

/** Levels of a map. */
const LEVELS = 256;

/** The first two singles of a and of b in turns, or the other two. */
const pairs = (a: c.V128, b: c.V128, first: 0 | 8): c.V128 =>
  c.shuffle(
    a,
    b,
    [first, first + 16, first + 4, first + 20].flatMap((place) => [place, place + 1, place + 2, place + 3]),
  );

/** The first two singles of a, then of b, or the other two. */
const halvesOf = (a: c.V128, b: c.V128, first: 0 | 8): c.V128 =>
  c.shuffle(
    a,
    b,
    [first, first + 16].flatMap((place) => [0, 1, 2, 3, 4, 5, 6, 7].map((byte) => place + byte)),
  );

/** Four maps of 256 singles as one: for each level its four values. */
export const joinMaps = kernel(['i32', 'i32', 'i32', 'i32', 'i32'], ([p, q, r, s, target], variable) => {
  const at = variable('i32');
  const rows = [variable('v128'), variable('v128'), variable('v128'), variable('v128')] as const;
  const [first, second, third, fourth] = [p, q, r, s].map((map) =>
    c.loadVector(c.add(c.get(map), c.get(at))),
  ) as [c.V128, c.V128, c.V128, c.V128];
  return [
    c.repeat(at, c.int(0), c.int(4 * LEVELS), c.int(16), [
      c.set(rows[0], pairs(first, second, 0)),
      c.set(rows[1], pairs(third, fourth, 0)),
      c.set(rows[2], pairs(first, second, 8)),
      c.set(rows[3], pairs(third, fourth, 8)),
      ...[
        halvesOf(c.get(rows[0]), c.get(rows[1]), 0),
        halvesOf(c.get(rows[0]), c.get(rows[1]), 8),
        halvesOf(c.get(rows[2]), c.get(rows[3]), 0),
        halvesOf(c.get(rows[2]), c.get(rows[3]), 8),
      ].map((level, i) =>
        c.storeVector(c.add(c.get(target), c.shiftLeft(c.get(at), c.int(2))), level, 16 * i),
      ),
    ]),
  ];
});

/** Bytes of a column: where its joined maps begin (4 of 16), and what each of the four counts (16). */
export const COLUMN = 32;
/** Bytes of a row: where its joined maps begin, and what the lower ones count, a single. */
export const ROW = 8;

/**
 * Takes levels through the four maps around each, where the mask is set; in each of the planes, which are `area` bytes apart and end at
 * `end`. Rows of levels and of the mask are `stride` bytes apart, a multiple of 4. There is an entry of `COLUMN` bytes for each column,
 * and one of `ROW` for each row.
 */
export const equaliseLevels = kernel(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  ([pixels, mask, stride, rows, area, end, columns, rowsAt], variable) => {
    const [row, at, plane, column] = [variable('i32'), variable('i32'), variable('i32'), variable('i32')];
    const [shares, sums, left] = [variable('v128'), variable('v128'), variable('v128')];
    const places = [0, 1, 2, 3] as const;
    const maps = [variable('i32'), variable('i32'), variable('i32'), variable('i32')] as const;
    const weights = [variable('v128'), variable('v128'), variable('v128'), variable('v128')] as const;
    /** The values of the four maps, each times what it counts. */
    const values = (i: 0 | 1 | 2 | 3): c.V128 =>
      c.f32.multiply(
        c.get(weights[i]),
        c.loadVector(
          c.add(c.get(maps[i]), c.shiftLeft(c.loadByte(c.add(c.get(plane), c.get(at)), i), c.int(4))),
        ),
      );
    const two = [variable('v128'), variable('v128')] as const;
    /** For two places, the first value and the third, and the second and the fourth. */
    const summed = (i: 0 | 2): readonly c.Statement[] => [
      c.set(two[0], values(i)),
      c.set(two[1], values(i === 0 ? 1 : 3)),
      c.set(
        i === 0 ? left : sums,
        c.f32.add(pairs(c.get(two[0]), c.get(two[1]), 0), pairs(c.get(two[0]), c.get(two[1]), 8)),
      ),
    ];
    return [
      c.repeat(row, c.int(0), c.get(rows), c.int(1), [
        // 1 − share twice, then the share twice.
        c.set(
          shares,
          c.f32.add(
            c.singles([1, 1, 0, 0]),
            c.f32.multiply(c.loadSplat32(c.get(rowsAt), 4), c.singles([-1, -1, 1, 1])),
          ),
        ),
        c.set(column, c.get(columns)),
        c.repeat(at, c.int(0), c.get(stride), c.int(4), [
          ...places.flatMap((i) => [
            c.set(maps[i], c.add(c.loadInt(c.get(rowsAt)), c.loadInt(c.get(column), COLUMN * i))),
            c.set(weights[i], c.f32.multiply(c.get(shares), c.loadVector(c.get(column), COLUMN * i + 16))),
          ]),
          c.repeat(plane, c.get(pixels), c.get(end), c.get(area), [
            ...summed(0),
            ...summed(2),
            c.set(
              sums,
              c.i32.ofSingles(
                c.f32.add(
                  c.f32.add(halvesOf(c.get(left), c.get(sums), 0), halvesOf(c.get(left), c.get(sums), 8)),
                  c.singles([0.5, 0.5, 0.5, 0.5]),
                ),
              ),
            ),
            c.set(sums, c.i16.narrow(c.get(sums), c.get(sums))),
            storeMasked(plane, mask, at, c.u8.narrow(c.get(sums), c.get(sums))),
          ]),
          c.set(column, c.add(c.get(column), c.int(4 * COLUMN))),
        ]),
        c.set(rowsAt, c.add(c.get(rowsAt), c.int(ROW))),
        ...[pixels, mask, end].map((place) => c.set(place, c.add(c.get(place), c.get(stride)))),
      ]),
    ];
  },
);
