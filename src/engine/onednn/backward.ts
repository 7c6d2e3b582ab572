/**
 * Recording the backward pass: nodes in reverse, the gradients of a value that several nodes read summed, buffers
 * overwritten where no one else still has to read them.
 */
import { INPUT, inputsOf, type Network } from '../core/network.ts';
import { recordCopy, reordered, type Compilation, type Incoming, type Recorded } from './layers/common.ts';
import { recordSum } from './layers/pointwise.ts';
import type { Tensor } from './native/recorder.ts';

/** A gradient that has arrived at a value, and how many parties still have to read it. */
interface Contribution {
  readonly tensor: Tensor;
  readonly readers: { left: number };
}

/** What the backward pass starts from, and what the host wants to see of it. */
export interface BackwardEnds {
  readonly recorded: ReadonlyMap<string, Recorded>;
  readonly values: ReadonlyMap<string, Tensor>;
  /** Dense gradients of outputs, written by the host. */
  readonly outputGradients: ReadonlyMap<string, Tensor>;
  /** Dense tensors that take the gradients of tapped values. */
  readonly tapGradients: ReadonlyMap<string, Tensor>;
  /** Values whose gradient is needed. */
  readonly needed: ReadonlySet<string>;
}

export function recordBackward(compilation: Compilation, network: Network, ends: BackwardEnds): void {
  const { needed, tapGradients } = ends;
  const arrived = new Map<string, Contribution[]>();
  const deliver = (name: string, contribution: Contribution): void => {
    const list = arrived.get(name);
    if (list === undefined) arrived.set(name, [contribution]);
    else list.push(contribution);
  };
  for (const [name, visible] of ends.outputGradients) {
    if (!needed.has(name)) continue;
    const tensor = reordered(
      compilation,
      name,
      'output gradient',
      visible,
      ends.values.get(name)!.descriptor,
    );
    // The host's own gradient must survive the pass: one reader that never reads.
    deliver(name, { tensor, readers: { left: tensor === visible ? 2 : 1 } });
  }
  const arrivedAt = (name: string): Incoming | undefined => {
    const contributions = arrived.get(name);
    if (contributions === undefined || !needed.has(name)) return undefined;
    const incoming = sumContributions(compilation, name, contributions);
    const visible = tapGradients.get(name);
    if (visible !== undefined) recordCopy(compilation, name, 'tap gradient', incoming.gradient, visible);
    return incoming;
  };
  for (const node of [...network.nodes].reverse()) {
    const incoming = arrivedAt(node.name);
    if (incoming === undefined) continue;
    const inputs = inputsOf(node);
    const wanted = inputs.map((name) => needed.has(name));
    const trains = ['weight', 'bias'].some((suffix) => compilation.trainable(`${node.name}.${suffix}`));
    if (!trains && !wanted.includes(true)) continue;
    const results = ends.recorded.get(node.name)!.backward!(incoming, wanted);
    // One tensor may go to several inputs (a sum's two sides): each must know of the other.
    const shared = new Map<Tensor, { left: number }>();
    inputs.forEach((name, index) => {
      const result = results[index];
      if (result === undefined || wanted[index] !== true) return;
      // A gradient has the layout of its value, whatever that of a sum's other side or of the kernel's choice is.
      const { descriptor } = ends.values.get(name)!;
      const tensor = reordered(compilation, name, 'gradient layout', result, descriptor);
      const readers = shared.get(tensor) ?? { left: 0 };
      readers.left += 1;
      shared.set(tensor, readers);
      deliver(name, { tensor, readers });
    });
  }
  arrivedAt(INPUT);
}

function sumContributions(
  compilation: Compilation,
  node: string,
  contributions: readonly Contribution[],
): Incoming {
  const read = (contribution: Contribution): Incoming => {
    contribution.readers.left -= 1;
    return { gradient: contribution.tensor, mayOverwrite: contribution.readers.left === 0 };
  };
  let sum = read(contributions[0]!);
  for (const contribution of contributions.slice(1)) {
    const next = read(contribution);
    // Whichever of the two is free to be overwritten takes the sum.
    const [target, other] = sum.mayOverwrite ? [sum, next] : [next, sum];
    sum = { gradient: recordSum(compilation, node, target, other.gradient), mayOverwrite: true };
  }
  return sum;
}
