/** What each opcode of a pickle says, as Python's `pickletools` documents it and `pickle.loads` reads it. */
import { describe, expect, test } from 'vitest';
import {
  PickledCall,
  PickledName,
  PickledReference,
  type PickleValue,
} from '../../src/formats/torch/pickle-values.ts';
import { readPickle } from '../../src/formats/torch/pickle.ts';
import { codeOf } from '../failures.ts';
import { refusing } from '../../src/formats/torch/refuse.ts';
import { op } from './hostile.ts';

const refuse = (byte: number, complaint: string) => refusing('x').invalid(byte, complaint);
const read = (text: string): PickleValue => readPickle(op(text), 0, refuse).value;

describe('opcodes', () => {
  test.each<[string, string, PickleValue]>([
    ['NONE', 'N.', null],
    ['NEWTRUE', '\x88.', true],
    ['NEWFALSE', '\x89.', false],
    ['INT', 'I-12\n.', -12],
    ['INT 01', 'I01\n.', true],
    ['INT 00', 'I00\n.', false],
    ['LONG', 'L77L\n.', 77],
    ['BININT', 'J\xff\xff\xff\xff.', -1],
    ['BININT1', 'K\xfe.', 254],
    ['BININT2', 'M\x01\x02.', 513],
    ['LONG1', '\x8a\x02\x00\x80.', -32768],
    ['LONG1 of no bytes', '\x8a\x00.', 0],
    ['LONG1 beyond 2^53', '\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.', 2n ** 63n - 1n],
    ['LONG4', '\x8b\x01\x00\x00\x00\x7f.', 127],
    ['FLOAT', 'F-1.5e3\n.', -1500],
    ['BINFLOAT', 'G?\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ['UNICODE', 'Vab\n.', 'ab'],
    ['SHORT_BINUNICODE', '\x8c\x02\xc3\xa9.', 'é'],
    ['BINUNICODE', 'X\x01\x00\x00\x00a.', 'a'],
    ['BINUNICODE8', '\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.', 'a'],
    ['SHORT_BINSTRING', 'U\x01a.', 'a'],
    ['BINSTRING', 'T\x01\x00\x00\x00a.', 'a'],
    ['SHORT_BINBYTES', 'C\x02\x00\xff.', Uint8Array.of(0, 255)],
    ['BINBYTES', 'B\x01\x00\x00\x00\x07.', Uint8Array.of(7)],
    ['BINBYTES8', '\x8e\x01\x00\x00\x00\x00\x00\x00\x00\x07.', Uint8Array.of(7)],
    ['EMPTY_LIST, APPEND, APPENDS', ']K\x01a(K\x02K\x03e.', [1, 2, 3]],
    ['LIST', '(K\x01K\x02l.', [1, 2]],
    ['EMPTY_TUPLE', ').', []],
    ['TUPLE', '(K\x01K\x02t.', [1, 2]],
    ['TUPLE1', 'K\x00K\x01\x85.', [1]],
    ['TUPLE2', 'K\x00K\x01K\x02\x86.', [1, 2]],
    ['TUPLE3', 'K\x00K\x01K\x02K\x03\x87.', [1, 2, 3]],
    [
      'EMPTY_DICT, SETITEM, SETITEMS',
      '}K\x01K\x02s(K\x03K\x04u.',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    ['DICT', '(K\x01K\x02d.', new Map([[1, 2]])],
    ['EMPTY_SET, ADDITEMS', '\x8f(K\x01K\x02\x90.', new Set([1, 2])],
    ['FROZENSET', '(K\x01K\x02\x91.', new Set([1, 2])],
    ['DUP', 'K\x05]2(K\x01e.', [1]],
    ['POP', 'K\x01K\x020.', 1],
    ['POP of a mark', 'K\x01(0.', 1],
    ['POP_MARK', 'K\x01(K\x02K\x031.', 1],
    ['PUT, GET', 'K\x07p12\n0g12\n.', 7],
    ['BINPUT, BINGET', 'K\x07q\x0c0h\x0c.', 7],
    ['LONG_BINPUT, LONG_BINGET', 'K\x07r\x0c\x00\x00\x000j\x0c\x00\x00\x00.', 7],
    ['MEMOIZE', 'K\x07\x94K\x08\x9400h\x01.', 8],
    ['PROTO, FRAME', '\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.', null],
    ['GLOBAL', 'ca.b\nc\n.', new PickledName('a.b.c')],
    ['STACK_GLOBAL', '\x8c\x01a\x8c\x01b\x93.', new PickledName('a.b')],
    ['BINPERSID', 'K\x07Q.', new PickledReference(7)],
  ])('%s', (_, text, value) => {
    expect(read(text)).toEqual(value);
  });

  test.each([
    ['REDUCE', 'ca\nb\n)R'],
    ['NEWOBJ', 'ca\nb\n)\x81'],
    ['NEWOBJ_EX', 'ca\nb\n)}\x92'],
  ])('%s is a record of a call, with what is put into it', (_, made) => {
    const call = read(`${made}K\x01a(K\x02e(K\x03K\x04u}K\x05K\x06sb.`) as PickledCall;
    expect(call).toBeInstanceOf(PickledCall);
    expect(call.target).toEqual(new PickledName('a.b'));
    expect(call.args).toEqual([]);
    expect(call.list).toEqual([1, 2]);
    expect(call.items).toEqual(new Map([[3, 4]]));
    expect(call.state).toEqual(new Map([[5, 6]]));
  });

  test('end where STOP stands, and begin where one asks', () => {
    expect(readPickle(op('xxK\x07.rest'), 2, refuse)).toEqual({ value: 7, end: 5 });
  });

  test.each([
    ['as many opcodes as there may be', `${'N0'.repeat(149_999)}N.`, 'no error'],
    ['one more', `${'N0'.repeat(149_999)}NN.`, 'TORCH_INVALID'],
    ['as many containers', `${']0'.repeat(60_000)}N.`, 'no error'],
    ['one container more', `${']0'.repeat(60_001)}N.`, 'TORCH_INVALID'],
    ['an integer of 16 bytes', `\x8a\x10${'\x01'.repeat(16)}.`, 'no error'],
    ['an integer of 17 bytes', `\x8a\x11${'\x01'.repeat(17)}.`, 'TORCH_INVALID'],
    ['an integer of -1 bytes', '\x8b\xff\xff\xff\xff.', 'TORCH_INVALID'],
    ['a key without a value', '}(K\x01u.', 'TORCH_INVALID'],
    ['items of a number', 'K\x01(K\x01K\x02u.', 'TORCH_INVALID'],
    ['appending to a dictionary', '}K\x01a.', 'TORCH_INVALID'],
    ['adding to a list', '](K\x01\x90.', 'TORCH_INVALID'],
    ['a name of a number', 'K\x01K\x02\x93.', 'TORCH_INVALID'],
    ['a number that is a word', 'Fnan?\n.', 'TORCH_INVALID'],
    ['a number that is nothing', 'I\n.', 'TORCH_INVALID'],
    ['a line without an end', 'I12', 'TORCH_INVALID'],
    ['a mark where a value is wanted', '(\x85.', 'TORCH_INVALID'],
    ['a mark at the end', '(.', 'TORCH_INVALID'],
  ])('%s', (_, text, code) => {
    expect(codeOf(() => read(text))).toBe(code);
  });
});
