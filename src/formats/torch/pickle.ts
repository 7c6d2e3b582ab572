/**
 * Python pickles as plain values, and nothing is run (`pickle-values.ts`). The opcodes are those that PyTorch's checkpoints need
 * (protocols 0 to 5); any other is an error, as is a pickle that makes more objects than checkpoints have. Nothing here calls itself,
 * so no pickle nests too deeply. Source: Python's `pickletools`, which describes every opcode.
 */
import type { UsclError } from '../../base/errors.ts';
import { PickleMachine } from './pickle-machine.ts';
import { PickledCall, PickledReference, type PickleValue } from './pickle-values.ts';

/** What a pickle says, and the byte after it. */
export interface Pickle {
  readonly value: PickleValue;
  readonly end: number;
}

/**
 * Reads the pickle that begins at byte `start`. `refuse` makes the error from a byte and a clause, as in `it ends within a
 * number`; whatever the bytes, nothing else is thrown.
 */
export function readPickle(
  bytes: Buffer,
  start: number,
  refuse: (byte: number, complaint: string) => UsclError,
): Pickle {
  const machine = new PickleMachine(bytes, start, refuse);
  for (;;) {
    const opcode = machine.opcode();
    if (opcode === STOP) return { value: machine.pop(), end: machine.at };
    const step = OPCODES.get(opcode);
    if (step === undefined)
      throw machine.fault(
        `it has the opcode 0x${opcode.toString(16).padStart(2, '0')}, which no checkpoint needs`,
      );
    step(machine);
  }
}

const STOP = 0x2e;

/** What an opcode does. */
type Step = (machine: PickleMachine) => unknown;

const push =
  (read: (machine: PickleMachine) => PickleValue): Step =>
  (machine) =>
    machine.push(read(machine));
const contain = (read: (machine: PickleMachine) => PickleValue): Step =>
  push((machine) => machine.contain(read(machine)));
/** So many values from the top of the stack, the lowest first. */
const taken = (machine: PickleMachine, count: number): PickleValue[] =>
  Array.from({ length: count }, () => machine.pop()).reverse();

/** The opcodes, by Python's names for them. */
const OPCODES: ReadonlyMap<number, Step> = new Map<number, Step>([
  // PROTO, FRAME.
  [0x80, (machine) => machine.byte()],
  [0x95, (machine) => machine.length64()],
  // NONE, NEWTRUE, NEWFALSE.
  [0x4e, push(() => null)],
  [0x88, push(() => true)],
  [0x89, push(() => false)],
  // INT, which has the booleans of protocol 0 too; LONG, BININT, BININT1, BININT2, LONG1, LONG4, FLOAT, BINFLOAT.
  [0x49, push((machine) => machine.lineInteger())],
  [0x4c, push((machine) => machine.numberOf(machine.line().replace(/L$/, '')))],
  [0x4a, push((machine) => machine.int32())],
  [0x4b, push((machine) => machine.byte())],
  [0x4d, push((machine) => machine.uint16())],
  [0x8a, push((machine) => machine.integer(machine.byte()))],
  [0x8b, push((machine) => machine.integer(machine.int32()))],
  [0x46, push((machine) => machine.numberOf(machine.line()))],
  [0x47, push((machine) => machine.float64())],
  // UNICODE, SHORT_BINUNICODE, BINUNICODE, BINUNICODE8; SHORT_BINSTRING, BINSTRING.
  [0x56, push((machine) => machine.line())],
  [0x8c, push((machine) => machine.text(machine.byte()))],
  [0x58, push((machine) => machine.text(machine.uint32()))],
  [0x8d, push((machine) => machine.text(machine.length64()))],
  [0x55, push((machine) => machine.text(machine.byte()))],
  [0x54, push((machine) => machine.text(machine.uint32()))],
  // SHORT_BINBYTES, BINBYTES, BINBYTES8.
  [0x43, contain((machine) => machine.bytes(machine.byte()))],
  [0x42, contain((machine) => machine.bytes(machine.uint32()))],
  [0x8e, contain((machine) => machine.bytes(machine.length64()))],
  // MARK, POP, POP_MARK, DUP.
  [0x28, (machine) => machine.mark()],
  [0x30, (machine) => machine.drop()],
  [0x31, (machine) => machine.marked()],
  [0x32, push((machine) => machine.top)],
  // EMPTY_LIST, LIST, APPEND, APPENDS.
  [0x5d, contain(() => [])],
  [0x6c, contain((machine) => machine.marked())],
  [0x61, (machine) => machine.append(taken(machine, 1))],
  [0x65, (machine) => machine.append(machine.marked())],
  // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3.
  [0x29, contain(() => [])],
  [0x74, contain((machine) => machine.marked())],
  [0x85, contain((machine) => taken(machine, 1))],
  [0x86, contain((machine) => taken(machine, 2))],
  [0x87, contain((machine) => taken(machine, 3))],
  // EMPTY_DICT, DICT, SETITEM, SETITEMS.
  [0x7d, contain(() => new Map())],
  [
    0x64,
    (machine) => {
      const pairs = machine.marked();
      machine.push(machine.contain(new Map())).setItems(pairs);
    },
  ],
  [0x73, (machine) => machine.setItems(taken(machine, 2))],
  [0x75, (machine) => machine.setItems(machine.marked())],
  // EMPTY_SET, ADDITEMS, FROZENSET.
  [0x8f, contain(() => new Set())],
  [0x90, (machine) => machine.add(machine.marked())],
  [0x91, contain((machine) => new Set(machine.marked()))],
  // GLOBAL, STACK_GLOBAL; REDUCE, NEWOBJ, NEWOBJ_EX, BUILD. Names stay names, and no call is made.
  [0x63, contain((machine) => machine.named(machine.line(), machine.line()))],
  [
    0x93,
    contain((machine) => {
      const [module, name] = taken(machine, 2);
      return machine.named(module!, name!);
    }),
  ],
  [0x52, contain((machine) => callOf(taken(machine, 2)))],
  [0x81, contain((machine) => callOf(taken(machine, 2)))],
  [0x92, contain((machine) => callOf(taken(machine, 3)))],
  [0x62, (machine) => machine.build()],
  // PUT, BINPUT, LONG_BINPUT, MEMOIZE, GET, BINGET, LONG_BINGET.
  [0x70, (machine) => machine.remember(machine.numberOf(machine.line()))],
  [0x71, (machine) => machine.remember(machine.byte())],
  [0x72, (machine) => machine.remember(machine.uint32())],
  [0x94, (machine) => machine.rememberNext()],
  [0x67, push((machine) => machine.recalled(machine.numberOf(machine.line())))],
  [0x68, push((machine) => machine.recalled(machine.byte()))],
  [0x6a, push((machine) => machine.recalled(machine.uint32()))],
  // BINPERSID.
  [0x51, contain((machine) => new PickledReference(machine.pop()))],
]);

/** The call of a target with arguments by position; those by name are no part of what is kept. */
function callOf([target, args]: readonly PickleValue[]): PickledCall {
  return new PickledCall(target!, args!);
}
