/**
 * What the engine asks of PyTorch on one device, in terms of tensors: memory, copies, kernels. Whoever calls owns the tensors
 * that come back. Feature maps are channels-last, all else is row-major. Work is queued in the order of the calls; a copy to the host waits,
 * an upload does not where the device reads the host's memory by itself.
 */
import { floatView, NULL, type Address } from '../../native/memory.ts';
import { freeProcessors, type Processors } from '../../native/processors.ts';
import type { Device } from './device.ts';
import { Dispatcher } from './dispatcher.ts';
import { allocationFailure, torchFailure, wordsOf } from './failure.ts';
import type { Library } from './library.ts';
import type { Arguments, Operator } from './schemas.ts';
import { cLibrary, Interned, permanent } from './scratch.ts';
import { Tensor } from './tensor.ts';

/** How numbers are stored. */
export type DataType = 'f32' | 'f64' | 'bf16';

/** A square window: of a convolution, or of pooling. */
export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** A tensor in the host's memory, f32 and row-major, with its numbers. Owns them. */
export interface HostTensor extends Disposable {
  readonly tensor: Tensor;
  readonly data: Float32Array;
}

/** Which gradients a backward kernel makes. */
export interface Wanted {
  readonly input: boolean;
  readonly weight: boolean;
}

/** An upload that was queued: its number. */
export type Upload = number & { readonly __upload: unique symbol };

const SLOTS = 4;
/** Whether a copy may return before it has ended. */
const [WAIT, GO_ON] = [0, 1];
const ONES = [1, 1] as const;
const ZEROS = [0, 0] as const;

export class Runtime {
  readonly library: Library;
  readonly device: Device;
  /** The device computes in the host's memory: what it makes may be looked at in place. */
  readonly isShared: boolean;
  /** For the threads of a processor while kernels run. */
  readonly processors: Processors;
  /** Calls of kernels and operators so far. */
  operations = 0;
  readonly #types: Readonly<Record<DataType, number>>;
  readonly #hostType: number;
  /** Uploads that were queued, and how many of them are known to have arrived. */
  #sent = 0;
  #arrived = 0;
  readonly #interned = new Interned();
  readonly #dispatcher: Dispatcher;
  /** Where functions write handles. */
  readonly #slots = permanent(8 * SLOTS);
  readonly #written = new BigUint64Array(this.#slots.buffer);
  readonly #c = cLibrary();
  /** An array of handles to lend. */
  #lent = permanent(8 * 64);

  /** `isShared`: false for a processor that is to be treated as a device with memory of its own. */
  constructor(
    library: Library,
    device: Device,
    hostType: number,
    isShared: boolean,
    processors: Processors = freeProcessors(),
  ) {
    const { functions } = library;
    this.library = library;
    this.device = device;
    this.isShared = isShared;
    this.#types = { f32: functions.float32(), f64: functions.float64(), bf16: functions.bfloat16() };
    this.#hostType = hostType;
    this.#dispatcher = new Dispatcher(library, this.#interned);
    this.processors = processors;
  }

  /** The number that PyTorch has for a type. */
  typeOf(type: DataType): number {
    return this.#types[type];
  }

  /** Memory on the device, not zeroed: of four dimensions channels-last, else row-major. */
  empty(shape: readonly number[], type: DataType): Tensor {
    return this.#empty(shape, stridesOf(shape), type, this.device.type);
  }

  /** Numbers of the host's, zeroed, in memory that the device reads at full speed where there is such. */
  host(length: number): HostTensor {
    const { emptyPinned } = this.library.functions;
    const isPinned = this.device.name === 'cuda' || this.device.name === 'xpu';
    const size = [Math.max(1, length)];
    const tensor = isPinned
      ? this.#allocated(`${length} numbers of pinned memory`, (slots) =>
          emptyPinned(1, ...this.#layout(size, [1]), this.#types.f32, this.#hostType, 0, slots),
        )
      : this.#empty(size, [1], 'f32', this.#hostType);
    const data = this.hostData(tensor, length);
    data.fill(0);
    return {
      tensor,
      data,
      [Symbol.dispose]: () => {
        tensor[Symbol.dispose]();
      },
    };
  }

  /** The numbers of an f32 tensor in the host's memory, which live as long as the tensor. */
  hostData(tensor: Tensor, length: number): Float32Array {
    this.#check(this.library.functions.dataPointer(tensor.handle, this.#slots.address), 'an address');
    return floatView(Number(this.#written[0]) as Address, length);
  }

  /** A part of a tensor's memory, from the element `offset` of its storage on, row-major in `shape`, or with strides. */
  view(
    tensor: Tensor,
    shape: readonly number[],
    offset = 0,
    strides: readonly number[] = rowMajor(shape),
  ): Tensor {
    const { reinterpret } = this.library.functions;
    return this.#made('a view', 1, (slots) =>
      reinterpret(tensor.handle, shape.length, ...this.#layout(shape, strides), offset, slots),
    )[0]!;
  }

  /** Another handle of the same tensor. */
  share(tensor: Tensor): Tensor {
    return this.#made('a handle', 1, (slots) => this.library.functions.newHandle(tensor.handle, slots))[0]!;
  }

  /** Copies, converting type and layout; what crosses between device and host is complete on return. */
  copy(source: Tensor, target: Tensor): void {
    this.operations += 1;
    this.#check(this.library.functions.copy(target.handle, source.handle, WAIT), 'a copy');
  }

  /** Copies from the device to the host, and has waited for all that was queued before. */
  download(source: Tensor, target: Tensor): void {
    this.copy(source, target);
    this.#arrived = this.#sent;
  }

  /**
   * Queues a copy of the host's numbers to the device and returns at once where the device reads them by itself; PyTorch keeps pinned
   * memory until such a copy has ended. What comes back is for `waitFor`: before that the numbers must stay as they are.
   */
  upload(source: HostTensor, target: Tensor): Upload {
    this.operations += 1;
    this.#check(this.library.functions.copy(target.handle, source.tensor.handle, GO_ON), 'an upload');
    this.#sent += 1;
    return this.#sent as Upload;
  }

  /** Returns when an upload has arrived. It has when anything was read from the device since: then nothing is asked. */
  waitFor(upload: Upload): void {
    if (upload > this.#arrived) this.synchronize();
  }

  zero(tensor: Tensor): void {
    this.#check(this.library.functions.zero(tensor.handle), 'zeros');
  }

  fill(tensor: Tensor, value: number): void {
    this.#kernel('a constant', this.device.kernels.fill(tensor.handle, value));
  }

  /** The one number of a tensor. Waits for all that was asked for before. */
  number(tensor: Tensor): number {
    using one = this.view(tensor, [1]);
    using target = this.#empty([1], [1], 'f64', this.#hostType);
    this.download(one, target);
    this.#check(this.library.functions.dataPointer(target.handle, this.#slots.address), 'an address');
    this.#c.copy(this.#slots.address, Number(this.#written[0]) as Address, 8);
    return new Float64Array(this.#slots.buffer)[0]!;
  }

  /** Waits for all that was asked for before. */
  synchronize(): void {
    if (this.isShared) return;
    using one = this.empty([1], 'f32');
    this.number(one);
  }

  /** An operator of the dispatcher. */
  call<Name extends Operator>(operator: Name, ...values: Arguments<Name>): readonly Tensor[] {
    this.operations += 1;
    return this.#dispatcher.call(operator, ...values);
  }

  /** An operator of the dispatcher that changes its first argument, or another one, and whose result nobody needs. */
  change<Name extends Operator>(operator: Name, ...values: Arguments<Name>): void {
    for (const made of this.call(operator, ...values)) made[Symbol.dispose]();
  }

  /** input ⋆ weight + bias. */
  convolution(input: Tensor, weight: Tensor, bias: Tensor | null, { stride, padding }: Window): Tensor {
    const { convolution } = this.device.kernels;
    return this.#made('a convolution', 1, (slots) =>
      convolution(
        ...([input.handle, weight.handle, bias === null ? NULL : this.#lend([bias])] as const),
        ...this.#pair(stride, stride),
        ...this.#pair(padding, padding),
        ...this.#pair(...ONES),
        0,
        ...this.#pair(...ZEROS),
        1,
        slots,
      ),
    )[0]!;
  }

  /** Gradients of a convolution's input and weight, as far as they are wanted. */
  convolutionBackward(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    { stride, padding }: Window,
    wanted: Wanted,
  ): { readonly input: Tensor | undefined; readonly weight: Tensor | undefined } {
    const { convolutionBackward } = this.device.kernels;
    const mask = this.#interned.flags([wanted.input, wanted.weight, false]);
    const slot = (index: number): Address => (this.#slots.address + 8 * index) as Address;
    this.#written.fill(0n);
    this.#kernel(
      'the gradient of a convolution',
      convolutionBackward(
        ...([gradient.handle, input.handle, weight.handle, NULL, 0] as const),
        ...this.#pair(stride, stride),
        ...this.#pair(padding, padding),
        ...this.#pair(...ONES),
        0,
        ...this.#pair(...ZEROS),
        1,
        mask,
        3,
        slot(0),
        slot(1),
        slot(2),
      ),
    );
    const [ofInput, ofWeight] = [this.#written[0]!, this.#written[1]!];
    const taken = (isWanted: boolean, handle: bigint): Tensor | undefined =>
      isWanted ? new Tensor(this.library, Number(handle) as Address) : undefined;
    return { input: taken(wanted.input, ofInput), weight: taken(wanted.weight, ofWeight) };
  }

  /** The largest of each window, and which it was. */
  maxPool(
    input: Tensor,
    { kernel, stride, padding }: Window,
  ): { readonly output: Tensor; readonly indices: Tensor } {
    const { maxPool } = this.device.kernels;
    const [output, indices] = this.#made('max pooling', 2, (slots) =>
      maxPool(
        input.handle,
        ...this.#pair(kernel, kernel),
        ...this.#pair(stride, stride),
        ...this.#pair(padding, padding),
        ...this.#pair(...ONES),
        0,
        slots,
        (slots + 8) as Address,
      ),
    );
    return { output: output!, indices: indices! };
  }

  maxPoolBackward(
    gradient: Tensor,
    input: Tensor,
    indices: Tensor,
    { kernel, stride, padding }: Window,
  ): Tensor {
    const { maxPoolBackward } = this.device.kernels;
    return this.#made('the gradient of max pooling', 1, (slots) =>
      maxPoolBackward(
        ...([gradient.handle, input.handle] as const),
        ...this.#pair(kernel, kernel),
        ...this.#pair(stride, stride),
        ...this.#pair(padding, padding),
        ...this.#pair(...ONES),
        ...([0, indices.handle, slots] as const),
      ),
    )[0]!;
  }

  /** target ← a·b of matrices. */
  matmulInto(target: Tensor, a: Tensor, b: Tensor): void {
    this.#kernel('a matrix product', this.device.kernels.matmulInto(target.handle, a.handle, b.handle));
  }

  /** target ← addend + a·b of matrices. */
  affineInto(target: Tensor, addend: Tensor, a: Tensor, b: Tensor): void {
    const { affineInto } = this.device.kernels;
    this.#kernel('a linear layer', affineInto(target.handle, addend.handle, a.handle, b.handle, 1, 1));
  }

  add(a: Tensor, b: Tensor): Tensor {
    const { add } = this.device.kernels;
    return this.#made('a sum', 1, (slots) => add(a.handle, b.handle, 1, slots))[0]!;
  }

  multiply(a: Tensor, b: Tensor): Tensor {
    const { multiply } = this.device.kernels;
    return this.#made('a product', 1, (slots) => multiply(a.handle, b.handle, slots))[0]!;
  }

  /** Tensors one after the other along their first dimension. */
  concatenate(tensors: readonly Tensor[]): Tensor {
    const { concatenate } = this.device.kernels;
    return this.#made('a concatenation', 1, (slots) =>
      concatenate(this.#lend(tensors), tensors.length, 0, slots),
    )[0]!;
  }

  /** A part of the first dimension, in the same memory. */
  narrow(tensor: Tensor, start: number, length: number): Tensor {
    const { narrow } = this.device.kernels;
    return this.#made('a part', 1, (slots) => narrow(tensor.handle, 0, start, length, slots))[0]!;
  }

  #empty(shape: readonly number[], strides: readonly number[], type: DataType, device: number): Tensor {
    const { emptyStrided } = this.library.functions;
    return this.#allocated(`${shape.join(' × ')} numbers`, (slots) =>
      emptyStrided(shape.length, ...this.#layout(shape, strides), this.#types[type], device, 0, slots),
    );
  }

  /** Memory that a call makes and does no more. */
  #allocated(what: string, call: (slots: Address) => number): Tensor {
    this.#written.fill(0n);
    this.operations += 1;
    if (call(this.#slots.address) !== 0) throw allocationFailure(what, wordsOf(this.library.extras));
    return new Tensor(this.library, Number(this.#written[0]) as Address);
  }

  #made(what: string, count: number, call: (slots: Address) => number): readonly Tensor[] {
    this.#written.fill(0n);
    this.#kernel(what, call(this.#slots.address));
    return Array.from(
      { length: count },
      (_, index) => new Tensor(this.library, Number(this.#written[index]) as Address),
    );
  }

  #kernel(what: string, status: number): void {
    this.operations += 1;
    this.#check(status, what);
  }

  #check(status: number, what: string): void {
    if (status !== 0) throw torchFailure(what, wordsOf(this.library.extras));
  }

  #layout(shape: readonly number[], strides: readonly number[]): readonly [Address, Address] {
    return [this.#interned.integers(shape), this.#interned.integers(strides)];
  }

  #pair(first: number, second: number): readonly [Address, number] {
    return [this.#interned.integers([first, second]), 2];
  }

  #lend(tensors: readonly Tensor[]): Address {
    if (8 * tensors.length > this.#lent.buffer.byteLength) this.#lent = permanent(16 * tensors.length);
    new BigUint64Array(this.#lent.buffer).set(tensors.map(({ handle }) => BigInt(handle)));
    return this.#lent.address;
  }
}

/** Strides of numbers of which the last dimension's lie side by side. */
function rowMajor(shape: readonly number[]): readonly number[] {
  return shape.map((_, index) => shape.slice(index + 1).reduce((product, side) => product * side, 1));
}

/** Strides as kernels like them: channels-last for [batch, channels, height, width], else row-major. */
export function stridesOf(shape: readonly number[]): readonly number[] {
  if (shape.length !== 4) return rowMajor(shape);
  const [, channels, height, width] = shape as readonly [number, number, number, number];
  return [channels * height * width, 1, width * channels, channels];
}
