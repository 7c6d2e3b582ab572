/**
 * Starting values as torchvision and PyTorch choose them. Each parameter draws from its own stream, addressed by
 * (seed, 'init', name): adding a head or changing the order of layers leaves every other parameter's start as it was.
 */
import { usageError } from '../base/errors.ts';
import { randomAt } from '../base/random.ts';
import type { Parameters } from '../engine/core/backend.ts';
import type { ParameterSpec } from '../engine/core/network.ts';

/**
 * Overwrites all parameters and running statistics.
 *
 * - convolution: normal with σ = √(2 / (filters·k²)), `kaiming_normal_(mode='fan_out', nonlinearity='relu')`
 *   (He et al. 2015, eq. 14, the backward case);
 * - batch norm: scale 1, shift 0, running mean 0, running variance 1;
 * - linear: weight and bias uniform in ±1/√inputs, `kaiming_uniform_(a=√5)` of `torch.nn.Linear`.
 */
export function initialise(
  parameters: Pick<Parameters, 'specs' | 'statisticSpecs' | 'values' | 'statistics'>,
  seed: number,
): void {
  const shapes = new Map(parameters.specs.map((spec) => [spec.name, spec.shape]));
  const values = new Float32Array(parameters.values.length);
  for (const spec of parameters.specs)
    initialiseOne(spec, values.subarray(spec.offset, spec.offset + spec.length), seed, shapes);
  parameters.values.write(values);
  const statistics = new Float32Array(parameters.statistics.length);
  for (const { initial, offset, length } of parameters.statisticSpecs)
    statistics.fill(initial, offset, offset + length);
  parameters.statistics.write(statistics);
}

function initialiseOne(
  spec: ParameterSpec,
  target: Float32Array,
  seed: number,
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  switch (spec.role) {
    case 'normScale':
      target.fill(1);
      return;
    case 'normShift':
      target.fill(0);
      return;
    case 'convWeight': {
      const [filters, , height, width] = spec.shape;
      const deviation = Math.sqrt(2 / (filters! * height! * width!));
      const random = randomAt(seed, 'init', spec.name);
      for (let i = 0; i < target.length; i++) target[i] = deviation * random.normal();
      return;
    }
    case 'linearWeight':
    case 'linearBias': {
      const bound = 1 / Math.sqrt(linearInputs(spec, shapes));
      const random = randomAt(seed, 'init', spec.name);
      for (let i = 0; i < target.length; i++) target[i] = random.between(-bound, bound);
      return;
    }
  }
}

/** Inputs of the linear layer that a weight or bias belongs to. */
function linearInputs(spec: ParameterSpec, shapes: ReadonlyMap<string, readonly number[]>): number {
  const weight = spec.name.replace(/\.bias$/, '.weight');
  const inputs = shapes.get(weight)?.[1];
  if (inputs === undefined)
    throw usageError(
      'MODEL_INVALID',
      `The bias ${spec.name} has no weight beside it, so its starting range is unknown.`,
      'Initialise the whole network at once, weights and biases together.',
      { where: spec.name },
    );
  return inputs;
}
