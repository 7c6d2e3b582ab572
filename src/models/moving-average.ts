/** A network whose parameters follow those of another one as a moving average (Polyak & Juditsky 1992). */
import type { Parameters } from '../engine/core/backend.ts';

/**
 * θ_target ← m·θ_target + (1 − m)·θ_online for every parameter of the target, found by name. Running statistics are the
 * target's own. Error: `RangeError` for a parameter that the online network lacks or has in another size.
 */
export function followParameters(target: Parameters, online: Parameters, momentum: number): void {
  const places = new Map(online.specs.map((spec) => [spec.name, spec]));
  for (const { name, offset, length } of target.specs) {
    const place = places.get(name);
    if (place?.length !== length)
      throw new RangeError(
        `The target follows "${name}" of ${length} numbers, which the online network lacks.`,
      );
    for (let i = 0; i < length; i++)
      target.values[offset + i] =
        momentum * target.values[offset + i]! + (1 - momentum) * online.values[place.offset + i]!;
  }
}
