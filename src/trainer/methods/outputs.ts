/** Outputs of a method's networks, asked for by name. */
import type { NetworkUse } from '../../methods/method.ts';

/** What a network is used for: a step, its target, a look before it. */
export type Part = 'online' | 'target' | 'look';

/** An output of a network by name. */
export type Outputs = (name: string) => Float32Array;

/** Outputs of the online network and, where there is one, of the target network. */
export interface HeldOutOutputs {
  readonly output: Outputs;
  readonly target: Outputs;
  /** Of the network whose weights the run leaves. */
  readonly features: Float32Array;
}

/** Outputs that are asked for by name. Error: `RangeError` for a name that is none of the network's outputs. */
export function byName(part: Part, { network: { outputs } }: NetworkUse, read: Outputs): Outputs {
  return (name) => {
    if (outputs.includes(name)) return read(name);
    throw new RangeError(
      `The outputs of the ${part === 'look' ? 'looking' : part} network are ${outputs.join(', ')}; there is no "${name}".`,
    );
  };
}

/** Outputs of the target network of a method that has none. Error: `RangeError`. */
export function noTarget(name: string): never {
  throw new RangeError(`There is no target network to read "${name}" from: open returns none.`);
}
