/**
 * Batch norms whose statistics several processes share: PyTorch's kernels make local moments and sums, the host adds those of all, a few
 * numbers a channel, and the kernels take the result as running statistics. What that leaves out of a gradient is itself a norm of the input.
 */
import { usageError, type UsclError } from '../../../base/errors.ts';
import { averages, shareMoments } from '../../core/shared-norms.ts';
import type { NormRanks } from '../../core/backend.ts';
import type { Tensor } from '../native/tensor.ts';
import type { Runtime } from '../native/runtime.ts';
import { disposeAll } from './common.ts';

/** Vectors of one number a channel on the device, and what the host has of them. */
class Vectors<Name extends string> implements Disposable {
  readonly device: Readonly<Record<Name, Tensor>>;
  readonly host: Readonly<Record<Name, Float32Array>>;
  readonly #runtime: Runtime;
  readonly #pairs: readonly { readonly name: Name; readonly here: Tensor; readonly there: Tensor }[];

  constructor(runtime: Runtime, channels: number, names: readonly Name[]) {
    const entries = names.map((name) => {
      const { tensor, data } = runtime.host(channels);
      const there = runtime.empty([channels], 'f32');
      runtime.zero(there);
      return { name, here: tensor, there, data };
    });
    this.#runtime = runtime;
    this.#pairs = entries;
    this.device = Object.fromEntries(entries.map(({ name, there }) => [name, there])) as Record<Name, Tensor>;
    this.host = Object.fromEntries(entries.map(({ name, data }) => [name, data])) as Record<
      Name,
      Float32Array
    >;
  }

  /** Copies a vector of the device to the host's of this name. */
  read(name: Name, source: Tensor): void {
    this.#runtime.copy(source, this.#pairs.find((pair) => pair.name === name)!.here);
  }

  /** Copies what the host has of these to the device. */
  write(...names: readonly Name[]): void {
    for (const { name, here, there } of this.#pairs)
      if (names.includes(name)) this.#runtime.copy(here, there);
  }

  [Symbol.dispose](): void {
    disposeAll(this.#pairs.flatMap(({ here, there }) => [here, there]));
  }
}

type Name = 'mean' | 'variance' | 'unbiased' | 'weight' | 'sum' | 'dot' | 'slope' | 'offset';
const NAMES: readonly Name[] = ['mean', 'variance', 'unbiased', 'weight', 'sum', 'dot', 'slope', 'offset'];

/** What the processes share of one norm. Error: `NORMS_DEVICE` on a device that PyTorch has no such kernels for. */
export class SharedNorm implements Disposable {
  readonly #runtime: Runtime;
  readonly #ranks: NormRanks;
  readonly #epsilon: number;
  /** Of each part of the batch. */
  readonly #parts: readonly Vectors<Name>[];
  readonly #momentum: Tensor;
  /** Running statistics that nobody reads: what measures moments wants to move some. */
  readonly #unread: Vectors<'mean' | 'variance'>;

  constructor(
    runtime: Runtime,
    ranks: NormRanks,
    of: {
      readonly channels: number;
      readonly groups: number;
      readonly epsilon: number;
      readonly momentum: number;
    },
  ) {
    if (runtime.device.name === 'mps') throw noMoments();
    this.#runtime = runtime;
    this.#ranks = ranks;
    this.#epsilon = of.epsilon;
    this.#parts = Array.from({ length: of.groups }, () => new Vectors(runtime, of.channels, NAMES));
    this.#momentum = runtime.empty([1], 'f32');
    runtime.fill(this.#momentum, of.momentum);
    this.#unread = new Vectors(runtime, of.channels, ['mean', 'variance']);
  }

  /**
   * Moments of each part over all processes, which stay for the backward pass; running statistics move with them. `count` numbers
   * of each channel are in a part of this process.
   */
  measure(
    inputs: readonly Tensor[],
    count: number,
    running: readonly [mean: Tensor, variance: Tensor],
  ): void {
    const { mean: unreadMean, variance: unreadVariance } = this.#unread.device;
    inputs.forEach((input, index) => {
      const part = this.#parts[index]!;
      const [mean, variance] = this.#runtime.call('normMoments', input, unreadMean, unreadVariance, 0);
      part.read('mean', mean!);
      part.read('variance', variance!);
      disposeAll([mean, variance]);
    });
    shareMoments(
      this.#ranks,
      this.#parts.map(({ host }) => host),
    );
    const all = count * this.#ranks.size;
    for (const part of this.#parts) {
      const { host, device } = part;
      host.unbiased.set(host.variance.map((variance) => (variance * all) / Math.max(1, all - 1)));
      part.write('mean', 'variance', 'unbiased');
      this.#runtime.change('lerpInPlace', running[0], device.mean, this.#momentum);
      this.#runtime.change('lerpInPlace', running[1], device.unbiased, this.#momentum);
    }
  }

  /** What a part was normalised with. */
  moments(part: number): readonly [mean: Tensor, variance: Tensor] {
    const { mean, variance } = this.#parts[part]!.device;
    return [mean, variance];
  }

  /** Takes this process's gradients of scale and shift of a part: Σgᵢx̂ᵢ and Σgᵢ of each channel. */
  keepSums(part: number, dot: Tensor, sum: Tensor): void {
    this.#parts[part]!.read('dot', dot);
    this.#parts[part]!.read('sum', sum);
  }

  /**
   * Readies, from the sums that were kept, what reaches the source of each part by the statistics: −γ/σ · (Σgᵢ/n + x̂·Σgᵢx̂ᵢ/n)
   * with n numbers behind them over all processes.
   */
  share(weight: Tensor, count: number): void {
    const shared = averages(
      this.#ranks,
      this.#parts.flatMap(({ host }) => [host.sum, host.dot]),
    );
    this.#parts.forEach((part, index) => {
      part.read('weight', weight);
      const [sum, dot] = [shared[2 * index]!, shared[2 * index + 1]!];
      const { host } = part;
      for (let c = 0; c < sum.length; c++) {
        const factor = -host.weight[c]! / Math.sqrt(host.variance[c]! + this.#epsilon) / count;
        host.slope[c] = factor * dot[c]!;
        host.offset[c] = factor * sum[c]!;
      }
      part.write('slope', 'offset');
    });
  }

  /** A part's gradient and what was readied for it. */
  completed(part: number, gradient: Tensor, input: Tensor): Tensor {
    const { slope, offset, mean, variance } = this.#parts[part]!.device;
    const [through, ...rest] = this.#runtime.call(
      'norm',
      ...([input, slope, offset, mean, variance, false, 0, this.#epsilon] as const),
    );
    disposeAll(rest);
    using added = through!;
    return this.#runtime.add(gradient, added);
  }

  [Symbol.dispose](): void {
    disposeAll([this.#momentum]);
    for (const part of this.#parts) part[Symbol.dispose]();
    this.#unread[Symbol.dispose]();
  }
}

function noMoments(): UsclError {
  return usageError(
    'NORMS_DEVICE',
    'PyTorch has no kernel for the statistics of a batch norm alone on mps, so several processes cannot share them there.',
    'Let each normalise its own rows (model.norms=rank), or compute on the processor (device=cpu).',
    { where: 'key model.norms' },
  );
}
