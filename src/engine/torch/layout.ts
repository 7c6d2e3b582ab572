/**
 * How a flat vector lies on the device: weights of convolutions [filters, channels, height, width] have their channels last, as the
 * kernels take them, and all else lies as the host has it. So a step converts no weight and no gradient of one.
 */
import type { ParameterSpec } from '../core/network.ts';

/** A weight whose numbers the device has in another order than the host. */
export interface Turned {
  readonly offset: number;
  readonly length: number;
  readonly shape: readonly number[];
}

/** Ascending and disjoint. */
export type Layout = readonly Turned[];

/** Of the parameters of a network. Where there is one pixel or one channel, both orders are the same. */
export function layoutOf(specs: readonly ParameterSpec[]): Layout {
  return specs
    .filter(({ role, shape }) => {
      const [, channels = 1, ...sides] = shape;
      return role === 'convWeight' && channels > 1 && sides.some((side) => side > 1);
    })
    .map(({ offset, length, shape }) => ({ offset, length, shape }))
    .sort((a, b) => a.offset - b.offset);
}

export function isSame(a: Layout, b: Layout): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Whether part of a weight that is turned lies in [start, end). */
export function touches(layout: Layout, start: number, end: number): boolean {
  return layout.some(({ offset, length }) => offset < end && start < offset + length);
}

/** Throws `RangeError` for a range that holds a part of a weight whose numbers are in another order. */
export function requireWhole(layout: Layout, start: number, end: number): void {
  for (const { offset, length } of layout)
    for (const edge of [start, end])
      if (edge > offset && edge < offset + length)
        throw new RangeError(
          `${start} to ${end} cuts the weight at ${offset} to ${offset + length}, which lies in another order on the device.`,
        );
}
