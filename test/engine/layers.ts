/**
 * Holding each layer of a plan to its task: given the very values and the very gradient that it had, does it make
 * what exact arithmetic makes of them? A fault cannot hide behind another layer, and no ReLU turns over.
 */
import type { Backend, PlanOptions } from '../../src/engine/core/backend.ts';
import { roundToBfloat16 } from '../../src/engine/core/bfloat16.ts';
import { inferShapes, INPUT, inputsOf, type Network } from '../../src/engine/core/network.ts';
import { openBackend } from '../../src/engine/open.ts';
import { fillNormal, fillParameters, relativeError } from './helpers.ts';

export interface LayerErrors {
  /** Largest error of a value, of the gradient that a layer passes on, of a parameter's gradient. */
  readonly values: number;
  readonly passed: number;
  readonly parameters: number;
  /** Which layer the largest of all belongs to. */
  readonly worst: string;
}

/** Runs a train plan on `backend` with everything tapped and computes each layer again on the reference. */
export function layerErrors(
  backend: Backend,
  network: Network,
  options: Omit<PlanOptions, 'mode' | 'taps'>,
  seed = 3,
): LayerErrors {
  using oracle = openBackend({ kind: 'reference' });
  using parameters = backend.createParameters(network);
  fillParameters(parameters, seed);
  const shapes = inferShapes(network);
  using plan = backend.compile(network, parameters, {
    ...options,
    mode: 'train',
    taps: [INPUT, ...network.nodes.map(({ name }) => name)],
  });
  fillNormal(plan.input, seed, 'images');
  // As a plan holds them: its first reader may be one that compares, and the tap shows the host's own numbers.
  if (options.precision === 'bf16') roundToBfloat16(plan.input);
  plan.forward();
  for (const name of network.outputs) fillNormal(plan.outputGradient(name), seed, name);
  plan.backward();

  const readers = new Map<string, number>();
  for (const name of [...network.nodes.flatMap(inputsOf), ...network.outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const largest = { values: 0, passed: 0, parameters: 0 };
  let worst = { error: -1, what: '' };
  const note = (kind: keyof typeof largest, what: string, exact: Float32Array, found: Float32Array): void => {
    const error = relativeError(exact, found);
    // NaN is the largest error of all.
    if (!(error <= largest[kind])) largest[kind] = error;
    if (!(error <= worst.error)) worst = { error, what: `${kind} ${what}` };
  };

  for (const node of network.nodes) {
    const [input, second] = inputsOf(node);
    const gradient = plan.valueGradient(node.name);
    if (node.kind === 'addRelu') {
      const [a, b, sum] = [plan.value(input!), plan.value(second!), plan.value(node.name)];
      note(
        'values',
        node.name,
        a.map((x, i) => Math.max(0, x + b[i]!)),
        sum,
      );
      const masked = gradient.map((g, i) => (sum[i]! > 0 ? g : 0));
      for (const name of [input!, second!])
        if (readers.get(name) === 1) note('passed', name, masked, plan.valueGradient(name));
      continue;
    }
    const alone: Network = {
      input: shapes.get(input!)!,
      nodes: [{ ...node, input: INPUT }],
      outputs: [node.name],
    };
    using own = oracle.createParameters(alone);
    for (const { name, offset, length } of own.specs) {
      const from = parameters.specs.find((spec) => spec.name === name)!.offset;
      own.values.write(parameters.values.read(new Float32Array(length), from), offset);
    }
    using exact = oracle.compile(alone, own, {
      batch: options.batch,
      normGroups: options.normGroups ?? 1,
      precision: 'f32',
      mode: 'train',
      taps: [INPUT],
    });
    exact.input.set(plan.value(input!));
    exact.forward();
    note('values', node.name, exact.output(node.name), plan.value(node.name));
    exact.outputGradient(node.name).set(gradient);
    exact.backward();
    if (readers.get(input!) === 1)
      note('passed', input!, exact.valueGradient(INPUT), plan.valueGradient(input!));
    for (const { name, offset, length } of own.specs) {
      const from = parameters.specs.find((spec) => spec.name === name)!.offset;
      note(
        'parameters',
        name,
        own.gradients.read(new Float32Array(length), offset),
        parameters.gradients.read(new Float32Array(length), from),
      );
    }
  }
  return { ...largest, worst: worst.what };
}
