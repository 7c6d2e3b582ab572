/**
 * ResNet-18 with frozen batch norms on any backend beside PyTorch's numbers in float64 (`frozen_golden.py`): inference
 * as it is and folded, and the gradients through it, those of maps and of the image included.
 */
import { z } from 'zod';
import type { Backend, Parameters, Precision } from '../../src/engine/core/backend.ts';
import type { Network } from '../../src/engine/core/network.ts';
import { readSafetensors, type Safetensors } from '../../src/formats/safetensors.ts';
import { withHeads } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { digest, estimatedError, parseDigest, relativeError, values } from './hashed.ts';
import { fillParameters, images, numbersOf } from './resnet-golden.ts';

const aboutSchema = z.object({
  depth: z.literal(18),
  size: z.int(),
  batch: z.int(),
  salt: z.string(),
  deviations: z.record(z.string(), z.tuple([z.number(), z.number()])),
});

/** Relative error of one tensor against float64, and what PyTorch's own result in this precision is off by. */
export interface FrozenError {
  readonly name: string;
  readonly error: number;
  readonly pytorch: number;
}

interface Case {
  readonly golden: Safetensors;
  readonly about: z.infer<typeof aboutSchema>;
  readonly network: Network;
}

function openCase(): Case {
  const golden = readSafetensors(new URL('data/resnet18-frozen.safetensors', import.meta.url).pathname);
  const about = aboutSchema.parse(JSON.parse(golden.metadata['about'] ?? ''));
  const network = withHeads(resnet(about.depth, { channels: 3, size: about.size }), {
    projection: { hidden: 512, dim: 256 },
    classifier: { classes: 3, input: 'representation' },
  });
  return { golden, about, network };
}

function parametersOf({ golden, about, network }: Case, backend: Backend): Parameters {
  const parameters = backend.createParameters(network);
  fillParameters(parameters, about.salt, about.depth);
  for (const { name, offset } of parameters.statisticSpecs)
    parameters.statistics.write(numbersOf(golden, `statistic/${name}`), offset);
  return parameters;
}

/** Errors of the outputs of an inference plan. */
export function inferenceErrors(
  backend: Backend,
  precision: Precision,
  fold: boolean,
): readonly FrozenError[] {
  const opened = openCase();
  const { golden, about, network } = opened;
  using parameters = parametersOf(opened, backend);
  using plan = backend.compile(network, parameters, { batch: about.batch, mode: 'infer', precision, fold });
  plan.input.set(images(about.salt, about.batch, about.size));
  plan.forward();
  return network.outputs.map((name) => ({
    name,
    error: relativeError(numbersOf(golden, `output/${name}`), plan.output(name)),
    pytorch: about.deviations[`output/${name}`]![precision === 'f32' ? 0 : 1],
  }));
}

/** Errors of every digest kept: parameter gradients, values and gradients of maps, the gradient of the image. */
export function frozenErrors(backend: Backend, precision: Precision): readonly FrozenError[] {
  const opened = openCase();
  const { golden, about, network } = opened;
  using parameters = parametersOf(opened, backend);
  const named = (group: string): string[] =>
    [...golden.tensors.keys()]
      .filter((key) => key.startsWith(`${group}/`))
      .map((key) => key.slice(group.length + 1));
  using plan = backend.compile(network, parameters, {
    batch: about.batch,
    mode: 'train',
    precision,
    frozenNorms: () => true,
    taps: named('valueGradient'),
  });
  plan.input.set(images(about.salt, about.batch, about.size));
  plan.forward();
  for (const name of network.outputs) {
    const gradient = plan.outputGradient(name);
    gradient.set(values(`${about.salt}/${name}/coefficient`, gradient.length, 0, 1));
  }
  plan.backward();
  const errorOf = (group: string, name: string, found: Float32Array): FrozenError => {
    const key = `${group}/${name}`;
    return {
      name: key,
      error: estimatedError(parseDigest(numbersOf(golden, key)), digest(name, found)),
      pytorch: about.deviations[key]![precision === 'f32' ? 0 : 1],
    };
  };
  const gradientOf = (name: string): Float32Array => {
    const spec = parameters.specs.find((candidate) => candidate.name === name)!;
    return parameters.gradients.read(new Float32Array(spec.length), spec.offset);
  };
  return [
    ...parameters.specs.map(({ name }) => errorOf('gradient', name, gradientOf(name))),
    ...named('value').map((name) => errorOf('value', name, plan.value(name))),
    ...named('valueGradient').map((name) => errorOf('valueGradient', name, plan.valueGradient(name))),
  ];
}
