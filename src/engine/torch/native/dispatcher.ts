/**
 * Calling ATen's dispatcher: arguments are words of 64 bits on a stack, which the call consumes. Tensors go as handles of their
 * own, numbers as their bits, lists as handles, optional arguments as cells or zero (`torch/csrc/stable/stableivalue_conversions.h`).
 */
import type { Address } from '../../native/memory.ts';
import { torchFailure, wordsOf } from './failure.ts';
import type { Library } from './library.ts';
import { SCHEMAS, type Arguments, type Kind, type Kinds, type Operator, type Schema } from './schemas.ts';
import { cLibrary, permanent, type Interned } from './scratch.ts';
import { Tensor } from './tensor.ts';

/** More than any operator takes. */
const WORDS = 32;
/** The interface that calls are written for: 2.10. */
const INTERFACE = (2n << 56n) | (10n << 48n);

export class Dispatcher {
  readonly #library: Library;
  readonly #interned: Interned;
  readonly #c = cLibrary();
  readonly #stack = permanent(8 * WORDS);
  readonly #words = new BigUint64Array(this.#stack.buffer);
  /** Where functions write a handle. */
  readonly #slot = permanent(8);
  readonly #written = new BigUint64Array(this.#slot.buffer);
  /** A float and its bits. */
  readonly #float = new Float64Array(1);
  readonly #bits = new BigUint64Array(this.#float.buffer);

  constructor(library: Library, interned: Interned) {
    this.#library = library;
    this.#interned = interned;
  }

  /** Calls an operator; whoever calls owns what comes back. */
  call<Name extends Operator>(operator: Name, ...values: Arguments<Name>): readonly Tensor[] {
    const schema: Schema = SCHEMAS[operator];
    this.#words.fill(0n);
    schema.takes.forEach((kind, index) => {
      this.#words[index] = this.#word(kind, (values as readonly unknown[])[index] as Kinds[Kind]);
    });
    const { functions, extras } = this.#library;
    const [name, overload] = [this.#interned.text(schema.name), this.#interned.text(schema.overload)];
    if (functions.dispatch(name, overload, this.#stack.address, INTERFACE) !== 0)
      throw torchFailure(schema.name, wordsOf(extras));
    return Array.from(
      { length: schema.gives },
      (_, index) => new Tensor(this.#library, Number(this.#words[index]) as Address),
    );
  }

  #word(kind: Kind, value: Kinds[Kind]): bigint {
    switch (kind) {
      case 'Tensor':
        return this.#shared(value as Tensor);
      case 'bool':
        return (value as boolean) ? 1n : 0n;
      case 'float':
        this.#float[0] = value as number;
        return this.#bits[0]!;
      case 'List[Tensor]':
        return this.#list((value as readonly Tensor[]).map((one) => this.#shared(one)));
      case 'List[bool]':
        return this.#list((value as readonly boolean[]).map((one) => (one ? 1n : 0n)));
      case 'Optional[Tensor]':
        return value === null ? 0n : this.#cell(this.#shared(value as Tensor));
      case 'Optional[int]':
        return value === null ? 0n : this.#cell(BigInt(value as number));
      case 'Optional[List[int]]':
        return value === null ? 0n : this.#cell(this.#list((value as readonly number[]).map(BigInt)));
    }
  }

  /** A handle that the call may consume. */
  #shared(tensor: Tensor): bigint {
    this.#check(this.#library.functions.newHandle(tensor.handle, this.#slot.address), 'a handle');
    return this.#written[0]!;
  }

  #list(words: readonly bigint[]): bigint {
    const { newList, pushBack } = this.#library.functions;
    this.#check(newList(words.length, this.#slot.address), 'a list');
    const list = this.#written[0]!;
    // Negative numbers as their bits.
    for (const word of words)
      this.#check(pushBack(Number(list) as Address, BigInt.asUintN(64, word)), 'a list');
    return list;
  }

  #cell(word: bigint): bigint {
    const { newCell } = this.#library.extras;
    let cell: bigint;
    if (newCell === null) cell = BigInt(this.#c.allocate(8));
    else {
      this.#check(newCell(this.#slot.address), 'an optional argument');
      cell = this.#written[0]!;
    }
    if (cell === 0n) throw torchFailure('an optional argument', 'out of memory');
    this.#written[0] = word;
    this.#c.copy(Number(cell) as Address, this.#slot.address, 8);
    return cell;
  }

  #check(status: number, what: string): void {
    if (status !== 0) throw torchFailure(what, wordsOf(this.#library.extras));
  }
}
