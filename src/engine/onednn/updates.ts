/**
 * Optimizer updates and moving averages as chains of elementwise oneDNN kernels over chunks that stay in cache from one kernel to the
 * next, so that every vector crosses the memory bus once. The arithmetic is that of `reference/updates.ts`.
 */
import type { AdamStep, Ranges, SgdStep, Vector } from '../core/backend.ts';
import { hostData } from '../core/host-vector.ts';
import { sharedStretches } from '../core/parameters.ts';
import { adamUpdate, followUpdate, sgdUpdate } from '../reference/updates.ts';
import { DataType, given, type Algorithm, type Argument } from './native/constants.ts';
import type { Context, Descriptor, PostOperation, Primitive } from './native/context.ts';
import { addressOfView, byteView, floatView, offsetAddress, type Address } from '../native/memory.ts';
import type { NativeParameters } from './native/parameters.ts';
import { Scope } from '../native/scope.ts';
import { check } from './native/status.ts';

/** Elements a kernel call works on: five vectors of it fit the last-level cache several times over. */
const CHUNK = 1 << 18;
/** Below this a kernel call costs more than the loop it replaces. */
const SMALL = 1 << 13;

type Operand = 'values' | 'gradients' | 'first' | 'second' | 'scratch' | 'scalar';

/** One elementwise kernel of the chain: which vectors it reads and writes. */
interface Link {
  readonly primitive: (length: number) => Primitive;
  readonly args: readonly (readonly [argument: Argument, operand: Operand])[];
  /** Value of the `scalar` operand in this step. */
  readonly scalar: number;
}

export class VectorUpdates implements Disposable {
  readonly #context: Context;
  readonly #scope = new Scope();
  readonly #primitives = new Map<string, Primitive>();
  readonly #scratch: Address;
  readonly #scalarDescriptor: Descriptor;
  readonly #memories = new Map<string, Address>();
  readonly #vectorDescriptors = new Map<number, Descriptor>();
  readonly #args: Address;
  readonly #argsView: DataView;
  readonly #scalars: { readonly address: Address; readonly data: Float32Array };

  constructor(context: Context) {
    this.#context = context;
    this.#scratch = this.#scope.block(4 * CHUNK).address;
    this.#scalarDescriptor = context.descriptor(this.#scope, [1], DataType.f32, 'a');
    const scalars = this.#scope.block(64).address;
    this.#scalars = { address: scalars, data: floatView(scalars, 16) };
    const args = this.#scope.block(256);
    this.#args = args.address;
    this.#argsView = new DataView(byteView(args.address, 256).buffer);
  }

  adam(step: AdamStep): void {
    const small = this.#chunked(step.ranges, this.#adamChain(step), {
      values: addressOf(step.values),
      gradients: addressOf(step.gradients),
      first: addressOf(step.first),
      second: addressOf(step.second),
    });
    adamUpdate(step, small);
  }

  sgd(step: SgdStep): void {
    const small = this.#chunked(step.ranges, this.#sgdChain(step), {
      values: addressOf(step.values),
      gradients: addressOf(step.gradients),
      first: addressOf(step.momentumBuffer),
      second: 0 as Address,
    });
    sgdUpdate(step, small);
  }

  /** θ ← keep·θ + (1 − keep)·θ_source of two sets, by name. Error: that of `sharedStretches`. */
  follow(target: NativeParameters, source: NativeParameters, keep: number): void {
    const chain: readonly Link[] = [
      this.#scaled('values', keep, 'values', []),
      this.#scaled('first', 1 - keep, 'values', [{ kind: 'sum', scale: 1 }]),
    ];
    const small = sharedStretches(target, source).filter(({ from, to, sourceFrom }) => {
      const shift = 4 * (sourceFrom - from);
      return (
        this.#chunked([[from, to]], chain, {
          values: target.valuesAddress,
          gradients: 0 as Address,
          first: offsetAddress(source.valuesAddress, shift),
          second: 0 as Address,
        }).length > 0
      );
    });
    followUpdate(target.values, source.values, keep, small);
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }

  #adamChain(step: AdamStep): readonly Link[] {
    const { beta1, beta2, learningRate, weightDecay } = step;
    const size = learningRate / (1 - beta1 ** step.step);
    const chain: Link[] = this.#gradientLinks(step.gradientScale, step.decay === 'coupled' ? weightDecay : 0);
    // m ← β₁m + (1 − β₁)g
    chain.push(this.#scaled('gradients', 1 - beta1, 'first', [{ kind: 'sum', scale: beta1 }]));
    // v ← β₂v + (1 − β₂)g²
    const square: PostOperation = {
      kind: 'eltwise',
      algorithm: 'eltwiseLinear',
      alpha: 1 - beta2,
      beta: 0,
    };
    chain.push({
      primitive: (length) =>
        this.#binary('square', length, 'binaryMul', false, [square, { kind: 'sum', scale: beta2 }]),
      args: given<Operand>({ source: 'gradients', source1: 'gradients', destination: 'second' }),
      scalar: 0,
    });
    // scratch ← √(v / (1 − β₂ᵗ)) + ε
    chain.push(
      this.#scaled('second', 1 / (1 - beta2 ** step.step), 'scratch', [
        { kind: 'eltwise', algorithm: 'eltwiseSqrt', alpha: 0, beta: 0 },
        { kind: 'eltwise', algorithm: 'eltwiseLinear', alpha: 1, beta: step.epsilon },
      ]),
    );
    if (step.decay === 'decoupled' && weightDecay !== 0)
      chain.push(this.#scaled('values', 1 - learningRate * weightDecay, 'values', []));
    // θ ← θ − size · m / scratch
    const negate: PostOperation = {
      kind: 'binary',
      algorithm: 'binaryMul',
      operand: this.#scalarDescriptor,
    };
    chain.push({
      primitive: (length) =>
        this.#binary('divide', length, 'binaryDiv', false, [negate, { kind: 'sum', scale: 1 }]),
      args: given<Operand>({
        source: 'first',
        source1: 'scratch',
        destination: 'values',
        postOperand: 'scalar',
      }),
      scalar: -size,
    });
    return chain;
  }

  #sgdChain(step: SgdStep): readonly Link[] {
    const chain = this.#gradientLinks(step.gradientScale, step.weightDecay);
    // b ← μb + g; at the first step the buffer is empty whatever it holds.
    chain.push(
      this.#scaled('gradients', 1, 'first', [{ kind: 'sum', scale: step.step === 1 ? 0 : step.momentum }]),
    );
    if (step.nesterov) {
      chain.push(this.#scaled('gradients', -step.learningRate, 'values', [{ kind: 'sum', scale: 1 }]));
      chain.push(
        this.#scaled('first', -step.learningRate * step.momentum, 'values', [{ kind: 'sum', scale: 1 }]),
      );
    } else chain.push(this.#scaled('first', -step.learningRate, 'values', [{ kind: 'sum', scale: 1 }]));
    return chain;
  }

  /** g ← scale·g + decay·θ, left out where it changes nothing. */
  #gradientLinks(scale: number, decay: number): Link[] {
    const chain: Link[] = [];
    if (scale !== 1) chain.push(this.#scaled('gradients', scale, 'gradients', []));
    if (decay !== 0) chain.push(this.#scaled('values', decay, 'gradients', [{ kind: 'sum', scale: 1 }]));
    return chain;
  }

  /** target ← scalar · source (+ post-operations). */
  #scaled(source: Operand, scalar: number, target: Operand, postOperations: readonly PostOperation[]): Link {
    return {
      primitive: (length) => this.#binary('scale', length, 'binaryMul', true, postOperations),
      args: given<Operand>({ source, source1: 'scalar', destination: target }),
      scalar,
    };
  }

  #binary(
    name: string,
    length: number,
    algorithm: Algorithm,
    broadcast: boolean,
    postOperations: readonly PostOperation[],
  ): Primitive {
    const key = postOperations.map((operation) =>
      operation.kind === 'sum'
        ? operation.scale
        : operation.kind === 'binary'
          ? operation.algorithm
          : [operation.algorithm, operation.alpha, operation.beta].join('/'),
    );
    return this.#cached(`${name} ${length} ${key.join()}`, () => {
      const vector = this.#vector(length).address;
      return this.#context.primitive(
        this.#scope,
        `optimizer ${name}`,
        'binary',
        [algorithm, vector, broadcast ? this.#scalarDescriptor.address : vector, vector],
        { postOperations },
      );
    });
  }

  /** Runs the chain over every range that is worth a kernel call, chunk by chunk; returns the others. */
  #chunked(
    ranges: Ranges,
    chain: readonly Link[],
    bases: Readonly<Record<'values' | 'gradients' | 'first' | 'second', Address>>,
  ): Ranges {
    chain.forEach((link, index) => {
      this.#scalars.data[index] = link.scalar;
    });
    const small: [number, number][] = [];
    for (const [start, end] of ranges) {
      if (end - start < SMALL) {
        small.push([start, end]);
        continue;
      }
      for (let at = start; at < end; at += CHUNK) {
        const length = Math.min(CHUNK, end - at);
        chain.forEach((link, index) => {
          this.#execute(link, length, index, (operand) =>
            operand === 'scratch' ? this.#scratch : offsetAddress(bases[operand], 4 * at),
          );
        });
      }
    }
    return small;
  }

  #execute(
    link: Link,
    length: number,
    index: number,
    where: (operand: Exclude<Operand, 'scalar'>) => Address,
  ): void {
    const { binding, functions, stream } = this.#context;
    link.args.forEach(([argument, operand], position) => {
      const scalar = operand === 'scalar';
      const memory = this.#memory(operand, scalar ? 1 : length);
      const address = scalar ? offsetAddress(this.#scalars.address, 4 * index) : where(operand);
      functions.memorySetData(memory, address);
      this.#argsView.setInt32(16 * position, binding.numbers.arguments[argument][0]![0], true);
      this.#argsView.setBigUint64(16 * position + 8, BigInt(memory), true);
    });
    check(
      functions.primitiveExecute(link.primitive(length).handle, stream, link.args.length, this.#args),
      'optimizer update',
    );
  }

  #memory(operand: Operand, length: number): Address {
    const key = `${operand} ${length}`;
    let memory = this.#memories.get(key);
    if (memory === undefined) {
      const { functions, engine } = this.#context;
      const desc = operand === 'scalar' ? this.#scalarDescriptor : this.#vector(length);
      const made = this.#context.created('dnnl_memory_create', (slot) =>
        functions.memoryCreate(slot, desc.address, engine, this.#scratch),
      );
      this.#scope.defer(() => functions.memoryDestroy(made));
      this.#memories.set(key, made);
      memory = made;
    }
    return memory;
  }

  #vector(length: number): Descriptor {
    let descriptor = this.#vectorDescriptors.get(length);
    if (descriptor === undefined) {
      descriptor = this.#context.descriptor(this.#scope, [length], DataType.f32, 'a');
      this.#vectorDescriptors.set(length, descriptor);
    }
    return descriptor;
  }

  #cached(key: string, make: () => Primitive): Primitive {
    let primitive = this.#primitives.get(key);
    if (primitive === undefined) this.#primitives.set(key, (primitive = make()));
    return primitive;
  }
}

function addressOf(vector: Vector): Address {
  return addressOfView(hostData(vector));
}
