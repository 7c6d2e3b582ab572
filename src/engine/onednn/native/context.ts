/**
 * One oneDNN engine and stream, and the two things built on them: memory descriptors and primitives. All native
 * handles made here belong to a `Scope` and are released with it, in reverse order.
 */
import koffi from 'koffi';
import { Resources } from '../../../base/resources.ts';
import { Algorithm, MEMORY_DESC_BYTES, OPERATION_DESC_BYTES, Query, type DataType } from './constants.ts';
import { check, failure, UNIMPLEMENTED, type Library, type Functions } from './library.ts';
import { allocateBlock, allocateZeros, byteView, NULL, type Address, type Block } from './memory.ts';

/** Native handles and memory that are released together, last first. */
export class Scope extends Resources {
  block(bytes: number): Block {
    return this.use(allocateBlock(bytes));
  }

  zeros(bytes: number): Block {
    return this.use(allocateZeros(bytes));
  }
}

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
  /** Whether the primitive was made for this layout of an execution argument. */
  takes(arg: number, layout: Descriptor): boolean;
  readonly scratchpadBytes: number;
}

export const RELU = { kind: 'eltwise', algorithm: Algorithm.eltwiseRelu, alpha: 0, beta: 0 } as const;

export type PostOperation =
  | { readonly kind: 'eltwise'; readonly algorithm: number; readonly alpha: number; readonly beta: number }
  | { readonly kind: 'sum'; readonly scale: number }
  | { readonly kind: 'binary'; readonly algorithm: number; readonly operand: Descriptor };

/** What is computed on the result, and the forward primitive of a backward one. */
export interface PrimitiveOptions {
  readonly hint?: Primitive;
  readonly postOperations?: readonly PostOperation[];
}

/** The arguments of a function behind the place that it describes an operation in. */
export type Described<Describe> = Describe extends (at: Address, ...args: infer Args) => number
  ? Readonly<Args>
  : never;

export class Context implements Disposable {
  readonly library: Library;
  readonly engine: Address;
  readonly stream: Address;
  readonly #scope = new Scope();
  /** Scratch for out-pointers and operation descriptors. */
  readonly #slot: Block;
  readonly #slotView: BigUint64Array;
  readonly #operation: Block;
  readonly #numbers: Block;

  constructor(library: Library) {
    this.library = library;
    this.#slot = this.#scope.block(64);
    this.#slotView = new BigUint64Array(koffi.view(this.#slot.address, 64));
    this.#operation = this.#scope.block(OPERATION_DESC_BYTES);
    this.#numbers = this.#scope.block(1024);
    const { functions } = library;
    this.engine = this.created('dnnl_engine_create', (slot) => functions.engineCreate(slot, 1, 0));
    this.#scope.defer(() => functions.engineDestroy(this.engine));
    this.stream = this.created('dnnl_stream_create', (slot) => functions.streamCreate(slot, this.engine, 1));
    this.#scope.defer(() => functions.streamDestroy(this.stream));
  }

  get functions(): Functions {
    return this.library.functions;
  }

  /** Runs a C constructor that writes a handle to its first argument. */
  created(call: string, construct: (slot: Address) => number): Address {
    check(construct(this.#slot.address), call);
    return Number(this.#slotView[0]) as Address;
  }

  descriptor(scope: Scope, dimensions: readonly number[], type: DataType, tag: number): Descriptor {
    const address = scope.block(MEMORY_DESC_BYTES).address;
    check(
      this.functions.memoryDescInitByTag(
        address,
        dimensions.length,
        this.#dimensions(0, dimensions),
        type,
        tag,
      ),
      `dnnl_memory_desc_init_by_tag [${dimensions.join(', ')}] tag ${tag}`,
    );
    return { address, dimensions, type, bytes: this.functions.memoryDescGetSize(address) };
  }

  /** The layout of the first `dimensions` of a tensor, e.g. of a part of the batch. */
  part(scope: Scope, whole: Descriptor, dimensions: readonly number[]): Descriptor {
    const address = scope.block(MEMORY_DESC_BYTES).address;
    const zeros = dimensions.map(() => 0);
    check(
      this.functions.memoryDescInitSubmemory(
        address,
        whole.address,
        this.#dimensions(0, dimensions),
        this.#dimensions(1, zeros),
      ),
      `dnnl_memory_desc_init_submemory [${dimensions.join(', ')}]`,
    );
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

  /** Creates a primitive for the operation that a function of the library describes by these arguments. */
  primitive<Operation extends keyof Functions>(
    scope: Scope,
    call: string,
    operation: Operation,
    args: Described<Functions[Operation]>,
    options?: PrimitiveOptions,
  ): Primitive {
    return required(this.primitiveIfAny(scope, call, operation, args, options), call);
  }

  /** As `primitive`; undefined where the library has no kernel for these shapes and layouts. */
  primitiveIfAny<Operation extends keyof Functions>(
    scope: Scope,
    call: string,
    operation: Operation,
    args: Described<Functions[Operation]>,
    { hint, postOperations = [] }: PrimitiveOptions = {},
  ): Primitive | undefined {
    const { address } = this.#operation;
    byteView(address, OPERATION_DESC_BYTES).fill(0);
    const describe = this.functions[operation] as (at: Address, ...args: readonly unknown[]) => number;
    check(describe(address, ...args), `${call} (descriptor)`);
    return this.#finish(scope, call, postOperations, (slot, attr) =>
      this.functions.primitiveDescCreate(slot, address, attr, this.engine, hint?.desc ?? NULL),
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
    const desc = Number(this.#slotView[0]) as Address;
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
        const address = scope.block(MEMORY_DESC_BYTES).address;
        byteView(address, MEMORY_DESC_BYTES).set(byteView(found, MEMORY_DESC_BYTES));
        return { address, dimensions, type, bytes };
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
    switch (operation.kind) {
      case 'eltwise':
        return this.functions.postOpsAppendEltwise(
          list,
          1,
          operation.algorithm,
          operation.alpha,
          operation.beta,
        );
      case 'sum':
        return this.functions.postOpsAppendSum(list, operation.scale);
      case 'binary':
        return this.functions.postOpsAppendBinary(list, operation.algorithm, operation.operand.address);
    }
  }

  #implementation(desc: Address): string {
    check(
      this.functions.primitiveDescQuery(desc, Query.implementation, 0, this.#slot.address),
      'query implementation',
    );
    return koffi.decode(Number(this.#slotView[0]), 'char', -1) as string;
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
