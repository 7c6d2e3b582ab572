/**
 * Recording a sequence of kernel calls before their buffers exist, then placing the buffers by lifetime and binding
 * everything to fixed addresses. What comes out only executes: no descriptor, argument list or buffer is made later.
 */
import type { KernelTime } from '../../core/backend.ts';
import type { Operations } from './binding.ts';
import { DataType, given, Query, type Operands } from './constants.ts';
import type { Context, Descriptor, Primitive, PrimitiveOptions } from './context.ts';
import type { Library } from './library.ts';
import { byteView, floatView, offsetAddress, type Address } from '../../native/memory.ts';
import { onProcessors } from '../../native/processors.ts';
import { Scope } from '../../native/scope.ts';
import { place } from './placement.ts';
import { check } from './status.ts';

/** Bytes that tensors live in: planned (address unknown until `finish`) or fixed. */
export interface Storage {
  readonly bytes: number;
  address: Address | undefined;
  first: number;
  last: number;
}

export interface Tensor {
  readonly descriptor: Descriptor;
  readonly storage: Storage;
  /** Byte offset in the storage. */
  readonly offset: number;
}

const ARGUMENT_BYTES = 16;

/** What a primitive takes under a number. */
type Bound = readonly [arg: number, tensor: Tensor];

type Command =
  | {
      readonly kind: 'kernel';
      readonly node: string;
      readonly name: string;
      readonly primitive: Primitive;
      readonly args: readonly Bound[];
    }
  | { readonly kind: 'host'; readonly node: string; readonly name: string; readonly run: () => void };

/** A bound command: `run` is all that is left to do. */
interface Step {
  readonly time: { readonly node: string; readonly kernel: string; calls: number; seconds: number };
  readonly run: () => void;
}

export class Recorder {
  readonly #context: Context;
  readonly #scope: Scope;
  readonly #commands: Command[] = [];
  readonly #storages: Storage[] = [];

  constructor(context: Context, scope: Scope) {
    this.#context = context;
    this.#scope = scope;
  }

  get scope(): Scope {
    return this.#scope;
  }

  get context(): Context {
    return this.#context;
  }

  /** Number of commands so far: where the next phase begins. */
  get position(): number {
    return this.#commands.length;
  }

  /** A tensor whose buffer is placed by lifetime. */
  planned(descriptor: Descriptor): Tensor {
    const storage: Storage = {
      bytes: descriptor.bytes,
      address: undefined,
      first: Infinity,
      last: -Infinity,
    };
    this.#storages.push(storage);
    return { descriptor, storage, offset: 0 };
  }

  /** A tensor at an address that outlives the plan. */
  fixed(descriptor: Descriptor, address: Address): Tensor {
    return { descriptor, storage: { bytes: descriptor.bytes, address, first: 0, last: 0 }, offset: 0 };
  }

  /** A tensor with memory of its own for the life of the plan, zeroed, visible to the host. */
  own(descriptor: Descriptor): Tensor {
    return this.fixed(descriptor, this.#scope.zeros(descriptor.bytes).address);
  }

  /** f32 numbers brought into a layout and type once, now, in memory of their own: constants of the plan. */
  prepared(numbers: Float32Array, from: Descriptor, to: Descriptor): Tensor {
    using scratch = new Scope();
    const source = scratch.block(from.bytes).address;
    floatView(source, numbers.length).set(numbers);
    const target = this.own(to);
    const { functions, stream } = this.#context;
    const reorder = this.#context.reorder(scratch, from, to);
    const args = scratch.block(ARGUMENT_BYTES * 3).address;
    const layout = reorder.layout(Query.scratchpad, [], DataType.f32);
    const scratchpad = layout && this.fixed(layout, scratch.block(layout.bytes).address);
    const all = this.#numbered({ source: this.fixed(from, source), destination: target, scratchpad });
    this.#writeArguments(args, all, scratch);
    check(functions.primitiveExecute(reorder.handle, stream, all.length, args), 'preparing weights');
    check(functions.streamWait(stream), 'dnnl_stream_wait');
    return target;
  }

  /** Creates a primitive that lives as long as the plan. */
  primitive<Operation extends keyof Operations>(
    call: string,
    operation: Operation,
    args: Operations[Operation],
    options?: PrimitiveOptions,
  ): Primitive {
    return this.#context.primitive(this.#scope, call, operation, args, options);
  }

  /** As `primitive`; undefined where the library has no kernel for these shapes and layouts. */
  primitiveIfAny<Operation extends keyof Operations>(
    call: string,
    operation: Operation,
    args: Operations[Operation],
    options?: PrimitiveOptions,
  ): Primitive | undefined {
    return this.#context.primitiveIfAny(this.#scope, call, operation, args, options);
  }

  kernel(node: string, name: string, primitive: Primitive, operands: Operands<Tensor>): void {
    const position = this.#commands.length;
    const layout =
      primitive.scratchpadBytes > 0 ? primitive.layout(Query.scratchpad, [], DataType.f32) : undefined;
    const all = this.#numbered({ ...operands, scratchpad: layout && this.planned(layout) });
    for (const [arg, { descriptor, storage }] of all) {
      // A kernel cannot tell: it would read and write beyond the buffer.
      if (!primitive.takes(arg, descriptor))
        throw new RangeError(
          `${node}, ${name}: argument ${arg} is not in the layout the kernel was made for`,
        );
      storage.first = Math.min(storage.first, position);
      storage.last = Math.max(storage.last, position);
    }
    this.#commands.push({
      kind: 'kernel',
      node,
      name: `${name} ${primitive.implementation}`,
      primitive,
      args: all,
    });
  }

  /** A small computation of the host between kernels; it may touch fixed memory only. */
  host(node: string, name: string, run: () => void): void {
    this.#commands.push({ kind: 'host', node, name, run });
  }

  finish(profile: boolean): Executable {
    const planned = this.#storages.filter((storage) => storage.last >= 0);
    const { offsets, bytes } = place(planned);
    const arena = this.#scope.block(bytes);
    planned.forEach((storage, index) => {
      storage.address = offsetAddress(arena.address, offsets[index]!);
    });
    return new Executable(
      this.#commands.map((command) => this.#bind(command)),
      arena.bytes,
      profile,
      this.#context.library,
    );
  }

  #bind(command: Command): Step {
    const time = { node: command.node, kernel: command.name, calls: 0, seconds: 0 };
    if (command.kind === 'host') return { time, run: command.run };
    const { functions, stream } = this.#context;
    const args = this.#scope.block(ARGUMENT_BYTES * command.args.length).address;
    this.#writeArguments(args, command.args, this.#scope);
    const { handle } = command.primitive;
    const count = command.args.length;
    return {
      time,
      run: () => {
        const status = functions.primitiveExecute(handle, stream, count, args);
        if (status !== 0) check(status, `${command.node} ${command.name}`);
      },
    };
  }

  /** Each operand under its number; where the library takes the rows of one apart, each row under its own. */
  #numbered(operands: Operands<Tensor>): readonly Bound[] {
    return given(operands).flatMap(([name, tensor]) =>
      this.#context.binding.numbers.arguments[name].map(([number, row]): Bound => [
        number,
        row === undefined ? tensor : this.#row(tensor, row),
      ]),
    );
  }

  /** A row of a plain f32 tensor of two dimensions. */
  #row({ descriptor, storage, offset }: Tensor, row: number): Tensor {
    const [, length = 0] = descriptor.dimensions;
    const layout = this.#context.descriptor(this.#scope, [length], DataType.f32, 'a');
    return { descriptor: layout, storage, offset: offset + 4 * length * row };
  }

  /** The C array of {argument number, memory handle} that `execute` takes. */
  #writeArguments(at: Address, args: readonly Bound[], scope: Scope): void {
    const view = new DataView(byteView(at, ARGUMENT_BYTES * args.length).buffer);
    args.forEach(([arg, tensor], index) => {
      view.setInt32(ARGUMENT_BYTES * index, arg, true);
      view.setInt32(ARGUMENT_BYTES * index + 4, 0, true);
      view.setBigUint64(ARGUMENT_BYTES * index + 8, BigInt(this.#memory(tensor, scope)), true);
    });
  }

  #memory({ descriptor, storage, offset }: Tensor, scope: Scope): Address {
    const { functions, engine } = this.#context;
    const address = addressOf(storage, offset);
    const memory = this.#context.created('dnnl_memory_create', (slot) =>
      functions.memoryCreate(slot, descriptor.address, engine, address),
    );
    scope.defer(() => functions.memoryDestroy(memory));
    return memory;
  }
}

function addressOf(storage: Storage, offset: number): Address {
  if (storage.address === undefined) throw new RangeError('a buffer was used before it was placed');
  return offsetAddress(storage.address, offset);
}

/** The host's f32 view of a tensor with an address. */
export function viewOf(tensor: Tensor): Float32Array {
  return floatView(addressOf(tensor.storage, tensor.offset), tensor.descriptor.bytes / 4);
}

export class Executable {
  readonly bytes: number;
  readonly #steps: readonly Step[];
  readonly #profile: boolean;
  readonly #library: Library;

  constructor(steps: readonly Step[], bytes: number, profile: boolean, library: Library) {
    this.#steps = steps;
    this.bytes = bytes;
    this.#profile = profile;
    this.#library = library;
  }

  /** Runs commands [start, end). */
  run(start: number, end: number): void {
    const { processors, signals } = this.#library;
    signals.hold();
    try {
      onProcessors(processors, () => {
        this.#runAll(start, end);
      });
    } finally {
      signals.release();
    }
  }

  #runAll(start: number, end: number): void {
    for (let i = start; i < end; i++) {
      const step = this.#steps[i]!;
      if (this.#profile) {
        const begin = performance.now();
        step.run();
        step.time.seconds += (performance.now() - begin) / 1000;
        step.time.calls += 1;
      } else step.run();
    }
  }

  times(): readonly KernelTime[] {
    return this.#steps.map(({ time }) => ({ ...time }));
  }
}
