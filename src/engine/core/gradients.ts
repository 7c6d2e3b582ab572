/**
 * Which gradients a backward pass has to compute: what lies below the lowest trainable parameter or tapped value is
 * left alone.
 */
import { inputsOf, parameterSpecs, type Network } from './network.ts';

export interface GradientNeeds {
  /** Values whose gradient is needed; `input` only when it is tapped. */
  readonly values: ReadonlySet<string>;
  /** Parameters that get a gradient. */
  readonly parameters: ReadonlySet<string>;
}

export function gradientNeeds(
  network: Network,
  trainable: (parameter: string) => boolean,
  taps: readonly string[] = [],
): GradientNeeds {
  const parameters = new Set(
    parameterSpecs(network)
      .map((spec) => spec.name)
      .filter(trainable),
  );
  const values = new Set<string>(taps);
  for (const node of network.nodes) {
    const own = parameters.has(`${node.name}.weight`) || parameters.has(`${node.name}.bias`);
    if (own || inputsOf(node).some((name) => values.has(name))) values.add(node.name);
  }
  return { values, parameters };
}
