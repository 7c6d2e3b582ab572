/** The machine that a pickle is written for: a stack, a memory, and the bytes that are read. */
import type { UsclError } from '../../base/errors.ts';
import { PickledCall, PickledName, type PickleValue } from './pickle-values.ts';

/**
 * Most opcodes and most containers of a pickle, which so takes 30 MB at most beside its bytes. A ResNet-152 with AdamW has
 * 76,000 and 20,000.
 */
const MOST_OPCODES = 300_000;
const MOST_CONTAINERS = 60_000;
/** Longest integer in bytes; the first number of an old checkpoint has ten. */
const LONGEST_INTEGER = 16;

/** Where the items of an open container begin on the stack. */
const MARK = Symbol('mark');

/** Reads a pickle byte by byte, and holds the stack and the memory that its opcodes work on. Every fault is made by `refuse`. */
export class PickleMachine {
  readonly #bytes: Buffer;
  readonly #refuse: (byte: number, complaint: string) => UsclError;
  readonly #stack: (PickleValue | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;
  /** Of the opcode that is read. */
  #opcodeAt: number;
  #opcodes = 0;
  #containers = 0;

  constructor(bytes: Buffer, start: number, refuse: (byte: number, complaint: string) => UsclError) {
    this.#bytes = bytes;
    this.#at = start;
    this.#opcodeAt = start;
    this.#refuse = refuse;
  }

  /** Where the next byte is read. */
  get at(): number {
    return this.#at;
  }

  /** The next opcode; what follows is read for it. */
  opcode(): number {
    this.#opcodes += 1;
    this.#opcodeAt = this.#at;
    if (this.#opcodes > MOST_OPCODES) throw this.fault(`it has more than ${MOST_OPCODES} opcodes`);
    return this.byte();
  }

  push(value: PickleValue): this {
    this.#stack.push(value);
    return this;
  }

  /** A new container: there may be so many. */
  contain<Value extends PickleValue>(value: Value): Value {
    this.#containers += 1;
    if (this.#containers > MOST_CONTAINERS) throw this.fault(`it makes more than ${MOST_CONTAINERS} objects`);
    return value;
  }

  mark(): this {
    this.#stack.push(MARK);
    return this;
  }

  /** The values above the last mark, which are taken off with it. */
  marked(): PickleValue[] {
    const from = this.#stack.lastIndexOf(MARK);
    if (from < 0) throw this.fault('it closes what was never opened');
    const values = this.#stack.splice(from + 1) as PickleValue[];
    this.#stack.pop();
    return values;
  }

  /** Takes the uppermost off, a mark or a value. */
  drop(): this {
    if (this.#stack.pop() === undefined) throw this.fault('it takes a value from an empty stack');
    return this;
  }

  /** The uppermost value, which stays. */
  get top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.fault('it needs a value and there is none');
    return value;
  }

  remember(index: number): this {
    this.#memo.set(index, this.top);
    return this;
  }

  rememberNext(): this {
    return this.remember(this.#memo.size);
  }

  recalled(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.fault(`it recalls value ${index}, which it never kept`);
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
    if (end < 0) throw this.fault('it ends within a line');
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
    if (text.trim() === '' || Number.isNaN(value)) throw this.fault('it has a number that is none');
    return value;
  }

  /** A signed little-endian integer of so many bytes. */
  integer(length: number): number | bigint {
    if (length < 0 || length > LONGEST_INTEGER) throw this.fault(`it has an integer of ${length} bytes`);
    let value = 0n;
    const bytes = this.#take(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    if (length > 0 && bytes[length - 1]! >= 0x80) value -= 1n << BigInt(8 * length);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** Puts pairs into the dictionary below them. */
  setItems(values: readonly PickleValue[]): this {
    const into = this.top;
    const items = into instanceof Map ? into : into instanceof PickledCall ? into.items : null;
    if (items === null || values.length % 2 !== 0)
      throw this.fault('it sets keys of something that has none');
    for (let i = 0; i < values.length; i += 2) items.set(values[i]!, values[i + 1]!);
    return this;
  }

  append(values: readonly PickleValue[]): this {
    const into = this.top;
    const list =
      into instanceof PickledCall ? into.list : Array.isArray(into) ? (into as PickleValue[]) : null;
    if (list === null) throw this.fault('it appends to something that is no list');
    for (const value of values) list.push(value);
    return this;
  }

  add(values: readonly PickleValue[]): this {
    const into = this.top;
    if (!(into instanceof Set)) throw this.fault('it adds to something that is no set');
    for (const value of values) into.add(value);
    return this;
  }

  /** Gives an object its state. Of a name that is called nowhere nothing is kept. */
  build(): this {
    const state = this.pop();
    const built = this.top;
    if (built instanceof PickledCall) built.state = state;
    return this;
  }

  named(module: PickleValue, name: PickleValue): PickledName {
    if (typeof name !== 'string' || typeof module !== 'string')
      throw this.fault('it names something by no text');
    return new PickledName(`${module}.${name}`);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw this.fault('it takes a value from an empty stack');
    return value;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) throw this.fault('it ends within a value');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  /** The error of the opcode that is read. */
  fault(complaint: string): UsclError {
    return this.#refuse(this.#opcodeAt, complaint);
  }
}
