/**
 * WebAssembly written down in TypeScript: expressions and statements of code with vectors of 128 bits, as typed values, so that the
 * compiler of TypeScript checks operands. It knows the instructions that the loops of this room use, and no others. Numbers of
 * instructions are those of the WebAssembly specification 2.0, "binary format".
 */

/** Types of values; `none` is that of a statement. */
export type Kind = 'i32' | 'f32' | 'f64' | 'v128' | 'none';

/** A piece of code that leaves a value of a kind. */
export interface Code<K extends Kind> {
  readonly kind: K;
  readonly bytes: readonly number[];
}

export type I32 = Code<'i32'>;
export type V128 = Code<'v128'>;
export type Statement = Code<'none'>;

export type ValueKind = Exclude<Kind, 'none'>;

/** A parameter or variable of a function. */
export interface Local<K extends ValueKind> {
  readonly kind: K;
  readonly index: number;
}

/** An unsigned number in LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** A signed number of 32 bits in LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

function code<K extends Kind>(kind: K, ...parts: readonly (readonly number[])[]): Code<K> {
  return { kind, bytes: parts.flat() };
}

/** An instruction on vectors. */
const vector = (number: number): number[] => [0xfd, ...unsigned(number)];

// Constants and variables.

export const int = (value: number): I32 => code('i32', [0x41], signed(value));

/** A vector of 16 bytes, lowest first. */
const bytes16 = (bytes: ArrayLike<number>): V128 => code('v128', vector(12), Array.from(bytes));
export const ints = (values: readonly number[]): V128 =>
  bytes16(new Uint8Array(Int32Array.from(values).buffer));
export const singles = (values: readonly number[]): V128 =>
  bytes16(new Uint8Array(Float32Array.from(values).buffer));
export const doubles = (values: readonly number[]): V128 =>
  bytes16(new Uint8Array(Float64Array.from(values).buffer));

export const get = <K extends ValueKind>({ kind, index }: Local<K>): Code<K> =>
  code(kind, [0x20], unsigned(index));

export const set = <K extends ValueKind>({ index }: Local<K>, value: Code<NoInfer<K>>): Statement =>
  code('none', value.bytes, [0x21], unsigned(index));

// Whole numbers and addresses.

const binary =
  <A extends Kind, R extends Kind>(kind: R, instruction: readonly number[]) =>
  (a: Code<A>, b: Code<A>): Code<R> =>
    code(kind, a.bytes, b.bytes, instruction);
const unary =
  <A extends Kind, R extends Kind>(kind: R, instruction: readonly number[]) =>
  (a: Code<A>): Code<R> =>
    code(kind, a.bytes, instruction);

export const add = binary<'i32', 'i32'>('i32', [0x6a]);
export const multiply = binary<'i32', 'i32'>('i32', [0x6c]);
export const shiftLeft = binary<'i32', 'i32'>('i32', [0x74]);
export const below = binary<'i32', 'i32'>('i32', [0x48]);

/** Every instruction on memory takes an address and a fixed distance from it, both in bytes. */
const memory = (instruction: readonly number[], distance: number): number[] => [
  ...instruction,
  0,
  ...unsigned(distance),
];
const load =
  <K extends Kind>(kind: K, instruction: readonly number[]) =>
  (address: I32, distance = 0): Code<K> =>
    code(kind, address.bytes, memory(instruction, distance));
const store =
  <K extends Kind>(instruction: readonly number[]) =>
  (address: I32, value: Code<K>, distance = 0): Statement =>
    code('none', address.bytes, value.bytes, memory(instruction, distance));

export const loadInt = load('i32', [0x28]);
export const loadByte = load('i32', [0x2d]);
export const loadVector = load('v128', vector(0));
export const storeVector = store<'v128'>(vector(11));
/** The same 32 or 64 bits in every place. */
export const loadSplat32 = load('v128', vector(9));
export const loadSplat64 = load('v128', vector(10));
/** 32 bits in the first place, 0 in the others. */
export const loadZero32 = load('v128', vector(92));
export const loadZero64 = load('v128', vector(93));

/** 16, 32 or 64 bits from memory into one place of a vector. */
const loadLane =
  (instruction: number) =>
  (address: I32, into: V128, lane: number, distance = 0): V128 =>
    code('v128', address.bytes, into.bytes, memory(vector(instruction), distance), [lane]);
export const loadLane16 = loadLane(85);
export const loadLane64 = loadLane(87);

/** One place of a vector to memory. */
const storeLane =
  (instruction: number) =>
  (address: I32, from: V128, lane: number, distance = 0): Statement =>
    code('none', address.bytes, from.bytes, memory(vector(instruction), distance), [lane]);
export const storeLane32 = storeLane(90);

// Vectors.

const onVectors = (instruction: number) => binary<'v128', 'v128'>('v128', vector(instruction));
const onVector = (instruction: number) => unary<'v128', 'v128'>('v128', vector(instruction));
const shift =
  (instruction: number) =>
  (a: V128, count: number): V128 =>
    code('v128', a.bytes, int(count).bytes, vector(instruction));

export const splatInt = unary<'i32', 'v128'>('v128', vector(17));
export const splatSingle = unary<'f32', 'v128'>('v128', vector(19));
export const splatDouble = unary<'f64', 'v128'>('v128', vector(20));
export const laneInt = (a: V128, lane: number): I32 => code('i32', a.bytes, vector(27), [lane]);

/** Bytes of a and b by their number in both, one after another. */
export const shuffle = (a: V128, b: V128, places: readonly number[]): V128 =>
  code('v128', a.bytes, b.bytes, vector(13), places);
/** Bytes of a at the places that the bytes of b name; 0 for a place beyond. */
export const swizzle = onVectors(14);

export const and = onVectors(78);
export const or = onVectors(80);
export const xor = onVectors(81);
/** Bits of a where those of the mask are set, else of b. */
export const choose = (a: V128, b: V128, mask: V128): V128 =>
  code('v128', a.bytes, b.bytes, mask.bytes, vector(82));

/** Sixteen bytes. */
export const u8 = { equal: onVectors(35), narrow: onVectors(102) };

/** Eight whole numbers of 16 bits. */
export const i16 = {
  sumPairs: onVector(125),
  narrow: onVectors(133),
  lowBytes: onVector(137),
  highBytes: onVector(138),
  shiftRight: shift(141),
  subtract: onVectors(145),
  splat: (value: number): V128 =>
    bytes16(new Uint8Array(Int16Array.of(...Array<number>(8).fill(value)).buffer)),
};

/** Four whole numbers of 32 bits. */
export const i32 = {
  low: onVector(167),
  high: onVector(168),
  lowUnsigned: onVector(169),
  highUnsigned: onVector(170),
  shiftLeft: shift(171),
  shiftRight: shift(172),
  shiftRightUnsigned: shift(173),
  add: onVectors(174),
  multiply: onVectors(181),
  /** Σ of the two products of neighbours among eight numbers of 16 bits. */
  dot: onVectors(186),
  /** Whole numbers nearest to 0 of four singles. */
  ofSingles: onVector(248),
  /** Those of two doubles, and twice 0. */
  ofDoubles: onVector(252),
};

/** Four numbers of single precision. */
export const f32 = {
  floor: onVector(104),
  sqrt: onVector(227),
  add: onVectors(228),
  subtract: onVectors(229),
  multiply: onVectors(230),
  /** The lesser; the second where they are equal. */
  least: onVectors(234),
  greatest: onVectors(235),
  ofInts: onVector(250),
};

/** Two numbers of double precision. */
export const f64 = {
  sqrt: onVector(239),
  add: onVectors(240),
  subtract: onVectors(241),
  multiply: onVectors(242),
  divide: onVectors(243),
  least: onVectors(246),
  greatest: onVectors(247),
  ofInts: onVector(254),
};

// Statements.

/** For counter = from, from + step, … below `end`. */
export function repeat(
  counter: Local<'i32'>,
  from: I32,
  end: I32,
  step: I32,
  body: readonly Statement[],
): Statement {
  return code(
    'none',
    set(counter, from).bytes,
    [0x02, 0x40],
    // Leaves the block where nothing is to be done.
    below(get(counter), end).bytes,
    [0x45, 0x0d, 0],
    [0x03, 0x40],
    ...body.map(({ bytes }) => bytes),
    set(counter, add(get(counter), step)).bytes,
    below(get(counter), end).bytes,
    [0x0d, 0, 0x0b, 0x0b],
  );
}
