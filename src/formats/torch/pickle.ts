/**
 * Python pickles as plain values, and nothing is run: a name that a pickle mentions stays a name, what it would call stays a
 * record of the call. The opcodes are those that PyTorch's checkpoints need (protocols 0 to 5); any other is an error, as is
 * a pickle that makes more objects than checkpoints have. Nothing here calls itself, so no pickle nests too deeply.
 * Source: Python's `pickletools`, which describes every opcode.
 */
import type { UsclError } from '../../base/errors.ts';

/** A function or class that a pickle mentions, `module.name`. */
export class PickledName {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** An object that Python would make by calling `target`. Nothing was called. */
export class PickledCall {
  readonly target: PickleValue;
  readonly args: PickleValue;
  /** What was put into it by key. */
  readonly items = new Map<PickleValue, PickleValue>();
  /** What was put into it by position. */
  readonly list: PickleValue[] = [];
  state: PickleValue = null;

  constructor(target: PickleValue, args: PickleValue) {
    this.target = target;
    this.args = args;
  }
}

/** Something that is kept outside of the pickle, by its identity there. */
export class PickledReference {
  readonly id: PickleValue;

  constructor(id: PickleValue) {
    this.id = id;
  }
}

/** A value of a pickle: lists and tuples are arrays, dictionaries maps, long integers bigint where a number cannot hold them. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | ReadonlyMap<PickleValue, PickleValue>
  | ReadonlySet<PickleValue>
  | PickledName
  | PickledCall
  | PickledReference;

/** What a pickle says, and the byte after it. */
export interface Pickle {
  readonly value: PickleValue;
  readonly end: number;
}

/**
 * Most opcodes and most containers of a pickle, which so takes 30 MB at most beside its bytes. A ResNet-152 with AdamW has
 * 76,000 and 20,000.
 */
const MOST_OPCODES = 300_000;
const MOST_CONTAINERS = 60_000;
/** Longest integer in bytes; the first number of an old checkpoint has ten. */
const LONGEST_INTEGER = 16;

/**
 * Reads the pickle that begins at byte `start`. `refuse` makes the error from a byte and a clause, as in `it ends within a
 * number`; whatever the bytes, nothing else is thrown.
 */
export function readPickle(
  bytes: Buffer,
  start: number,
  refuse: (byte: number, complaint: string) => UsclError,
): Pickle {
  return new Reader(bytes, start, refuse).read();
}

/** Where the items of an open container begin on the stack. */
const MARK = Symbol('mark');

class Reader {
  readonly #bytes: Buffer;
  readonly #refuse: (byte: number, complaint: string) => UsclError;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;
  /** Of the opcode that is read. */
  #opcodeAt: number;
  #containers = 0;

  constructor(bytes: Buffer, start: number, refuse: (byte: number, complaint: string) => UsclError) {
    this.#bytes = bytes;
    this.#at = start;
    this.#opcodeAt = start;
    this.#refuse = refuse;
  }

  read(): Pickle {
    for (let count = 0; count < MOST_OPCODES; count++) {
      this.#opcodeAt = this.#at;
      const opcode = this.#take(1).readUInt8();
      if (opcode === STOP) return { value: this.pop(), end: this.#at };
      const step = OPCODES.get(opcode);
      if (step === undefined)
        throw this.#fault(
          `it has the opcode 0x${opcode.toString(16).padStart(2, '0')}, which no checkpoint needs`,
        );
      step(this);
    }
    throw this.#fault(`it has more than ${MOST_OPCODES} opcodes`);
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  /** A new container: there may be so many. */
  contain<Value extends PickleValue>(value: Value): Value {
    this.#containers += 1;
    if (this.#containers > MOST_CONTAINERS)
      throw this.#fault(`it makes more than ${MOST_CONTAINERS} objects`);
    return value;
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  /** The values above the last mark, which are taken off with it. */
  marked(): PickleValue[] {
    const from = this.#stack.lastIndexOf(MARK);
    if (from < 0) throw this.#fault('it closes what was never opened');
    const values = this.#stack.splice(from + 1) as PickleValue[];
    this.#stack.pop();
    return values;
  }

  /** Takes the uppermost off, a mark or a value. */
  drop(): void {
    if (this.#stack.pop() === undefined) throw this.#fault('it takes a value from an empty stack');
  }

  /** The uppermost value, which stays. */
  get top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.#fault('it needs a value and there is none');
    return value;
  }

  remember(index: number): void {
    this.#memo.set(index, this.top);
  }

  rememberNext(): void {
    this.remember(this.#memo.size);
  }

  recalled(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#fault(`it recalls value ${index}, which it never kept`);
    return value;
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }
  uint16(): number {
    return this.#take(2).readUInt16LE();
  }
  int32(): number {
    return this.#take(4).readInt32LE();
  }
  uint32(): number {
    return this.#take(4).readUInt32LE();
  }
  float64(): number {
    return this.#take(8).readDoubleBE();
  }
  /** A length of eight bytes; what is longer than the file ends at its end. */
  length64(): number {
    return Number(this.#take(8).readBigUInt64LE());
  }

  text(length: number): string {
    return this.#take(length).toString('utf8');
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from(this.#take(length));
  }

  /** The rest of a line, without its end. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#fault('it ends within a line');
    const text = this.text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  /** The rest of a line as a number, or as a boolean of protocol 0. */
  lineInteger(): number | boolean {
    const line = this.line();
    return line === '00' ? false : line === '01' ? true : this.numberOf(line);
  }

  /** A number that a line holds. */
  numberOf(text: string): number {
    const value = Number(text);
    if (text.trim() === '' || Number.isNaN(value)) throw this.#fault('it has a number that is none');
    return value;
  }

  /** A signed little-endian integer of so many bytes. */
  integer(length: number): number | bigint {
    if (length < 0 || length > LONGEST_INTEGER) throw this.#fault(`it has an integer of ${length} bytes`);
    let value = 0n;
    const bytes = this.#take(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    if (length > 0 && bytes[length - 1]! >= 0x80) value -= 1n << BigInt(8 * length);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** Puts pairs into the dictionary below them. */
  setItems(values: readonly PickleValue[]): void {
    const into = this.top;
    const items = into instanceof Map ? into : into instanceof PickledCall ? into.items : null;
    if (items === null || values.length % 2 !== 0)
      throw this.#fault('it sets keys of something that has none');
    for (let i = 0; i < values.length; i += 2) items.set(values[i]!, values[i + 1]!);
  }

  append(values: readonly PickleValue[]): void {
    const into = this.top;
    const list =
      into instanceof PickledCall ? into.list : Array.isArray(into) ? (into as PickleValue[]) : null;
    if (list === null) throw this.#fault('it appends to something that is no list');
    for (const value of values) list.push(value);
  }

  add(values: readonly PickleValue[]): void {
    const into = this.top;
    if (!(into instanceof Set)) throw this.#fault('it adds to something that is no set');
    for (const value of values) into.add(value);
  }

  /** Gives an object its state. Of a name that is called nowhere nothing is kept. */
  build(): void {
    const state = this.pop();
    const built = this.top;
    if (built instanceof PickledCall) built.state = state;
  }

  named(module: PickleValue, name: PickleValue): PickledName {
    if (typeof name !== 'string' || typeof module !== 'string')
      throw this.#fault('it names something by no text');
    return new PickledName(`${module}.${name}`);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw this.#fault('it takes a value from an empty stack');
    return value;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) throw this.#fault('it ends within a value');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  #fault(complaint: string): UsclError {
    return this.#refuse(this.#opcodeAt, complaint);
  }
}

const STOP = 0x2e;

/** What an opcode does. */
type Step = (reader: Reader) => void;

const push =
  (read: (reader: Reader) => PickleValue): Step =>
  (reader) => {
    reader.push(read(reader));
  };
const contain = (read: (reader: Reader) => PickleValue): Step =>
  push((reader) => reader.contain(read(reader)));
/** So many values from the top of the stack, the lowest first. */
const taken = (reader: Reader, count: number): PickleValue[] =>
  Array.from({ length: count }, () => reader.pop()).reverse();

/** The opcodes, by Python's names for them. */
const OPCODES: ReadonlyMap<number, Step> = new Map<number, Step>([
  // PROTO, FRAME.
  [0x80, (reader) => void reader.byte()],
  [0x95, (reader) => void reader.length64()],
  // NONE, NEWTRUE, NEWFALSE.
  [0x4e, push(() => null)],
  [0x88, push(() => true)],
  [0x89, push(() => false)],
  // INT, which has the booleans of protocol 0 too; LONG, BININT, BININT1, BININT2, LONG1, LONG4, FLOAT, BINFLOAT.
  [0x49, push((reader) => reader.lineInteger())],
  [0x4c, push((reader) => reader.numberOf(reader.line().replace(/L$/, '')))],
  [0x4a, push((reader) => reader.int32())],
  [0x4b, push((reader) => reader.byte())],
  [0x4d, push((reader) => reader.uint16())],
  [0x8a, push((reader) => reader.integer(reader.byte()))],
  [0x8b, push((reader) => reader.integer(reader.int32()))],
  [0x46, push((reader) => reader.numberOf(reader.line()))],
  [0x47, push((reader) => reader.float64())],
  // UNICODE, SHORT_BINUNICODE, BINUNICODE, BINUNICODE8; SHORT_BINSTRING, BINSTRING.
  [0x56, push((reader) => reader.line())],
  [0x8c, push((reader) => reader.text(reader.byte()))],
  [0x58, push((reader) => reader.text(reader.uint32()))],
  [0x8d, push((reader) => reader.text(reader.length64()))],
  [0x55, push((reader) => reader.text(reader.byte()))],
  [0x54, push((reader) => reader.text(reader.uint32()))],
  // SHORT_BINBYTES, BINBYTES, BINBYTES8.
  [0x43, contain((reader) => reader.bytes(reader.byte()))],
  [0x42, contain((reader) => reader.bytes(reader.uint32()))],
  [0x8e, contain((reader) => reader.bytes(reader.length64()))],
  // MARK, POP, POP_MARK, DUP.
  [
    0x28,
    (reader) => {
      reader.mark();
    },
  ],
  [
    0x30,
    (reader) => {
      reader.drop();
    },
  ],
  [0x31, (reader) => void reader.marked()],
  [0x32, push((reader) => reader.top)],
  // EMPTY_LIST, LIST, APPEND, APPENDS.
  [0x5d, contain(() => [])],
  [0x6c, contain((reader) => reader.marked())],
  [
    0x61,
    (reader) => {
      reader.append(taken(reader, 1));
    },
  ],
  [
    0x65,
    (reader) => {
      reader.append(reader.marked());
    },
  ],
  // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3.
  [0x29, contain(() => [])],
  [0x74, contain((reader) => reader.marked())],
  [0x85, contain((reader) => taken(reader, 1))],
  [0x86, contain((reader) => taken(reader, 2))],
  [0x87, contain((reader) => taken(reader, 3))],
  // EMPTY_DICT, DICT, SETITEM, SETITEMS.
  [0x7d, contain(() => new Map())],
  [
    0x64,
    (reader) => {
      const pairs = reader.marked();
      reader.push(reader.contain(new Map()));
      reader.setItems(pairs);
    },
  ],
  [
    0x73,
    (reader) => {
      reader.setItems(taken(reader, 2));
    },
  ],
  [
    0x75,
    (reader) => {
      reader.setItems(reader.marked());
    },
  ],
  // EMPTY_SET, ADDITEMS, FROZENSET.
  [0x8f, contain(() => new Set())],
  [
    0x90,
    (reader) => {
      reader.add(reader.marked());
    },
  ],
  [0x91, contain((reader) => new Set(reader.marked()))],
  // GLOBAL, STACK_GLOBAL; REDUCE, NEWOBJ, NEWOBJ_EX, BUILD. Names stay names, and no call is made.
  [0x63, contain((reader) => reader.named(reader.line(), reader.line()))],
  [
    0x93,
    contain((reader) => {
      const [module, name] = taken(reader, 2);
      return reader.named(module!, name!);
    }),
  ],
  [0x52, contain((reader) => callOf(taken(reader, 2)))],
  [0x81, contain((reader) => callOf(taken(reader, 2)))],
  [0x92, contain((reader) => callOf(taken(reader, 3)))],
  [
    0x62,
    (reader) => {
      reader.build();
    },
  ],
  // PUT, BINPUT, LONG_BINPUT, MEMOIZE, GET, BINGET, LONG_BINGET.
  [
    0x70,
    (reader) => {
      reader.remember(reader.numberOf(reader.line()));
    },
  ],
  [
    0x71,
    (reader) => {
      reader.remember(reader.byte());
    },
  ],
  [
    0x72,
    (reader) => {
      reader.remember(reader.uint32());
    },
  ],
  [
    0x94,
    (reader) => {
      reader.rememberNext();
    },
  ],
  [0x67, push((reader) => reader.recalled(reader.numberOf(reader.line())))],
  [0x68, push((reader) => reader.recalled(reader.byte()))],
  [0x6a, push((reader) => reader.recalled(reader.uint32()))],
  // BINPERSID.
  [0x51, contain((reader) => new PickledReference(reader.pop()))],
]);

/** The call of a target with arguments by position; those by name are no part of what is kept. */
function callOf([target, args]: readonly PickleValue[]): PickledCall {
  return new PickledCall(target!, args!);
}
