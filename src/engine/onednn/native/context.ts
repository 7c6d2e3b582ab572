/**
 * One oneDNN engine and stream, and the two things built on them: memory descriptors and primitives. All native
 * handles made here belong to a `Scope` and are released with it, in reverse order.
 */
import koffi from 'koffi';
import type { Binding, Functions, Operations } from './binding.ts';
import { Query, type Algorithm, type DataType, type Tag } from './constants.ts';
import type { Library } from './library.ts';
import { NULL, type Address, type Block } from '../../native/memory.ts';
import { Scope, slotIn, type Slot } from '../../native/scope.ts';
import { check, failure, UNIMPLEMENTED } from './status.ts';

/** Shape, type and layout of a tensor. */
export interface Descriptor {
  readonly address: Address;
  readonly dimensions: readonly number[];
  readonly type: DataType;
  /** Bytes of a tensor with this layout, padding included; 0 for layouts still to be chosen. */
  readonly bytes: number;
}

/** A created primitive and the layouts it settled on. */
export interface Primitive {
  readonly handle: Address;
  /** Primitive descriptor; the hint of the matching backward primitive. */
  readonly desc: Address;
  /** The vendor's name of the chosen implementation. */
  readonly implementation: string;
  /** A layout the primitive chose, or undefined when it has no such tensor. */
  layout(what: number, dimensions: readonly number[], type: DataType): Descriptor | undefined;
  /** Whether the primitive was made for this layout of the execution argument of this number. */
  takes(arg: number, layout: Descriptor): boolean;
  readonly scratchpadBytes: number;
}

export const RELU = { kind: 'eltwise', algorithm: 'eltwiseRelu', alpha: 0, beta: 0 } as const;

export type PostOperation =
  | { readonly kind: 'eltwise'; readonly algorithm: Algorithm; readonly alpha: number; readonly beta: number }
  | { readonly kind: 'sum'; readonly scale: number }
  | { readonly kind: 'binary'; readonly algorithm: Algorithm; readonly operand: Descriptor };

/** What is computed on the result, and the forward primitive of a backward one. */
export interface PrimitiveOptions {
  readonly hint?: Primitive;
  readonly postOperations?: readonly PostOperation[];
}

export class Context implements Disposable {
  readonly library: Library;
  readonly engine: Address;
  readonly stream: Address;
  readonly #scope = new Scope();
  readonly #slot: Slot;
  readonly #numbers: Block;

  constructor(library: Library) {
    this.library = library;
    this.#slot = slotIn(this.#scope);
    this.#numbers = this.#scope.block(1024);
    const { functions } = this;
    this.engine = this.created('dnnl_engine_create', (slot) => functions.engineCreate(slot, 1, 0));
    this.#scope.defer(() => functions.engineDestroy(this.engine));
    this.stream = this.created('dnnl_stream_create', (slot) => functions.streamCreate(slot, this.engine, 1));
    this.#scope.defer(() => functions.streamDestroy(this.stream));
  }

  get binding(): Binding {
    return this.library.binding;
  }

  get functions(): Functions {
    return this.library.binding.functions;
  }

  /** Runs a C constructor that writes a handle to its first argument. */
  created(call: string, construct: (slot: Address) => number): Address {
    check(construct(this.#slot.address), call);
    return this.#slot.read();
  }

  descriptor(scope: Scope, dimensions: readonly number[], type: DataType, tag: Tag): Descriptor {
    const sizes = this.#dimensions(0, dimensions);
    const address = this.binding.layout(scope, dimensions.length, sizes, type, tag);
    return { address, dimensions, type, bytes: this.functions.memoryDescGetSize(address) };
  }

  /** The layout of the first `dimensions` of a tensor, e.g. of a part of the batch. */
  part(scope: Scope, whole: Descriptor, dimensions: readonly number[]): Descriptor {
    const [sizes, start] = [
      this.#dimensions(0, dimensions),
      this.#dimensions(
        1,
        dimensions.map(() => 0),
      ),
    ];
    const address = this.binding.part(scope, whole.address, sizes, start);
    return { address, dimensions, type: whole.type, bytes: this.functions.memoryDescGetSize(address) };
  }

  /** Up to eight windows, strides or paddings, [height, width] each, in native memory: for the next primitive. */
  pairs<const Given extends readonly (number | readonly [number, number])[]>(
    ...given: Given
  ): { readonly [Index in keyof Given]: Address } {
    return given.map((one, index) => this.#dimensions(index, typeof one === 'number' ? [one, one] : one)) as {
      readonly [Index in keyof Given]: Address;
    };
  }

  sameLayout(a: Descriptor, b: Descriptor): boolean {
    return this.functions.memoryDescEqual(a.address, b.address) === 1;
  }

  /** Creates a primitive for the operation that these arguments describe. */
  primitive<Operation extends keyof Operations>(
    scope: Scope,
    call: string,
    operation: Operation,
    args: Operations[Operation],
    options?: PrimitiveOptions,
  ): Primitive {
    return required(this.primitiveIfAny(scope, call, operation, args, options), call);
  }

  /** As `primitive`; undefined where the library has no kernel for these shapes and layouts. */
  primitiveIfAny<Operation extends keyof Operations>(
    scope: Scope,
    call: string,
    operation: Operation,
    args: Operations[Operation],
    { hint, postOperations = [] }: PrimitiveOptions = {},
  ): Primitive | undefined {
    const { engine } = this;
    const make = this.binding.make[operation];
    return this.#finish(scope, call, postOperations, (slot, attributes) =>
      make({ call, slot, engine, attributes, hint: hint?.desc ?? NULL }, ...args),
    );
  }

  reorder(scope: Scope, from: Descriptor, to: Descriptor): Primitive {
    const made = this.#finish(scope, 'reorder', [], (slot, attr) =>
      this.functions.reorderDescCreate(slot, from.address, this.engine, to.address, this.engine, attr),
    );
    return required(made, 'reorder');
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }

  #finish(
    scope: Scope,
    call: string,
    postOperations: readonly PostOperation[],
    create: (slot: Address, attr: Address) => number,
  ): Primitive | undefined {
    const { functions } = this;
    const attr = this.#attributes(postOperations);
    const status = create(this.#slot.address, attr);
    functions.attrDestroy(attr);
    if (status === UNIMPLEMENTED) return undefined;
    check(status, call);
    const desc = this.#slot.read();
    scope.defer(() => functions.primitiveDescDestroy(desc));
    const handle = this.created(call, (slot) => functions.primitiveCreate(slot, desc));
    scope.defer(() => functions.primitiveDestroy(handle));
    const scratchpad = functions.primitiveDescQueryMemory(desc, Query.scratchpad, 0);
    return {
      handle,
      desc,
      implementation: this.#implementation(desc),
      layout: (what, dimensions, type) => {
        const found = functions.primitiveDescQueryMemory(desc, what, 0);
        if (found === NULL) return undefined;
        const bytes = functions.memoryDescGetSize(found);
        if (bytes === 0) return undefined;
        return { address: this.binding.kept(scope, found), dimensions, type, bytes };
      },
      takes: (arg, layout) => {
        const made = functions.primitiveDescQueryMemory(desc, Query.argument, arg);
        return made !== NULL && functions.memoryDescEqual(made, layout.address) === 1;
      },
      scratchpadBytes: scratchpad === NULL ? 0 : functions.memoryDescGetSize(scratchpad),
    };
  }

  /** Attributes: scratchpads are ours (shared and planned), and the post-operations asked for. */
  #attributes(postOperations: readonly PostOperation[]): Address {
    const { functions } = this;
    const attr = this.created('dnnl_primitive_attr_create', (slot) => functions.attrCreate(slot));
    check(functions.attrSetScratchpadMode(attr, 1), 'dnnl_primitive_attr_set_scratchpad_mode');
    if (postOperations.length === 0) return attr;
    const list = this.created('dnnl_post_ops_create', (slot) => functions.postOpsCreate(slot));
    for (const operation of postOperations)
      check(this.#append(list, operation), `dnnl_post_ops_append_${operation.kind}`);
    check(functions.attrSetPostOps(attr, list), 'dnnl_primitive_attr_set_post_ops');
    functions.postOpsDestroy(list);
    return attr;
  }

  #append(list: Address, operation: PostOperation): number {
    const { binding } = this;
    switch (operation.kind) {
      case 'eltwise':
        return binding.appendEltwise(list, operation.algorithm, operation.alpha, operation.beta);
      case 'sum':
        return binding.appendSum(list, operation.scale);
      case 'binary': {
        const algorithm = binding.numbers.algorithms[operation.algorithm];
        return binding.functions.postOpsAppendBinary(list, algorithm, operation.operand.address);
      }
    }
  }

  #implementation(desc: Address): string {
    check(
      this.functions.primitiveDescQuery(desc, Query.implementation, 0, this.#slot.address),
      'query implementation',
    );
    return koffi.decode(this.#slot.read(), 'char', -1) as string;
  }

  #dimensions(index: number, values: readonly number[]): Address {
    const at = (this.#numbers.address + index * 96) as Address;
    const view = new BigInt64Array(koffi.view(at, 96));
    values.forEach((value, i) => {
      view[i] = BigInt(value);
    });
    return at;
  }
}

function required(made: Primitive | undefined, call: string): Primitive {
  if (made === undefined) throw failure(UNIMPLEMENTED, call);
  return made;
}
