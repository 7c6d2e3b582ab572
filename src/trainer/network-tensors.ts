/** The tensors of a network in its own order, taken from weights by name. */
import type { UsclError } from '../base/errors.ts';
import { type Network, parameterSpecs, statisticSpecs } from '../engine/core/network.ts';
import type { NamedArray, Weights } from '../runs/named-tensors.ts';

/** Faults that are named. */
const NAMED = 3;

/** All tensors of the network; `refuse` makes the error of those that lack or have another shape, from a clause that names them. */
export function tensorsOf(
  network: Network,
  weights: Weights,
  refuse: (complaint: string) => UsclError,
): readonly NamedArray[] {
  const wanted = [
    ...parameterSpecs(network).map(({ name, shape }) => ({ name, shape })),
    ...statisticSpecs(network).map(({ name, length }) => ({ name, shape: [length] })),
  ];
  const tensors: NamedArray[] = [];
  const faults: string[] = [];
  for (const { name, shape } of wanted) {
    const found = weights.get(name);
    if (found === undefined) faults.push(`${name} is missing`);
    else if (found.shape.join() !== shape.join())
      faults.push(`${name} has the shape [${found.shape.join(', ')}], not [${shape.join(', ')}]`);
    else tensors.push({ name, shape, data: found.data });
  }
  if (faults.length === 0) return tensors;
  const more = faults.length - NAMED;
  throw refuse(faults.slice(0, NAMED).join('; ') + (more > 0 ? `; and ${more} more` : ''));
}
