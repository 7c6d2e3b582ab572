/** A network whose parameters follow those of another one as a moving average (Polyak & Juditsky 1992). */
import type { Parameters } from '../engine/core/backend.ts';

/**
 * θ_target ← m·θ_target + (1 − m)·θ_online for every parameter of the target, found by name. Running statistics are the
 * target's own. Error: `RangeError` for a parameter that the online network lacks or has in another size.
 */
export function followParameters(target: Parameters, online: Parameters, momentum: number): void {
  target.follow(online, momentum);
}
