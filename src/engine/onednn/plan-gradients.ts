/**
 * Where a plan's backward pass writes gradients, in the flat vector of its parameters: kernels overwrite them, so what a pass is to
 * be added to is held meanwhile. What the pass does not write is nobody's: it stays, or is zero where the plan trains it.
 */
import type { ParameterSpec } from '../core/network.ts';
import type { NativeParameters } from './native/parameters.ts';

export class PlanGradients {
  /** Written by the pass: as few parts as there can be, and copies of them. */
  readonly #written: readonly Float32Array[];
  #held: readonly Float32Array[] | undefined;
  /** Trained, and reached by no gradient. */
  readonly #unreached: readonly Float32Array[];

  /** Of these parameters; each name is that of one. */
  constructor(
    { specs, gradients }: NativeParameters,
    written: ReadonlySet<string>,
    trained: ReadonlySet<string>,
  ) {
    const parts = (isWanted: (name: string) => boolean): readonly Float32Array[] =>
      stretches(specs.filter(({ name }) => isWanted(name))).map(([from, to]) => gradients.subarray(from, to));
    this.#written = parts((name) => written.has(name));
    this.#unreached = parts((name) => trained.has(name) && !written.has(name));
  }

  /** A pass that makes them: those that no gradient reaches are zero. */
  replacedBy(pass: () => void): void {
    pass();
    for (const part of this.#unreached) part.fill(0);
  }

  /** A pass that is added to what is there. */
  increasedBy(pass: () => void): void {
    this.#held ??= this.#written.map(({ length }) => new Float32Array(length));
    const held = this.#held;
    this.#written.forEach((part, index) => {
      held[index]!.set(part);
    });
    pass();
    this.#written.forEach((part, index) => {
      const before = held[index]!;
      for (let i = 0; i < part.length; i++) part[i]! += before[i]!;
    });
  }
}

/** [start, end) of parameters, those that lie back to back in one; in the order of their places. */
function stretches(specs: readonly ParameterSpec[]): readonly (readonly [start: number, end: number])[] {
  const found: [start: number, end: number][] = [];
  for (const { offset, length } of specs) {
    const last = found.at(-1);
    if (last?.[1] === offset) last[1] = offset + length;
    else found.push([offset, offset + length]);
  }
  return found;
}
