/**
 * Compiling a network into a recorded sequence of oneDNN calls: forward nodes in order, then backward in reverse with
 * the gradients of shared values summed. All choices are made here, once; a step only executes.
 */
import { UsclError } from '../../base/errors.ts';
import type { KernelTime, Plan, PlanOptions } from '../backend.ts';
import { gradientNeeds } from '../gradients.ts';
import { inferShapes, INPUT, inputsOf, type Network, type Node, type ValueShape } from '../network.ts';
import { bindParameters } from '../parameters.ts';
import { DataType, Tag } from './constants.ts';
import { Scope, type Context } from './context.ts';
import { elementAddress, type Compilation, type Incoming, type Recorded } from './layers/common.ts';
import { recordConv } from './layers/conv.ts';
import { recordLinear } from './layers/linear.ts';
import { recordBatchNorm } from './layers/norm.ts';
import { recordAddRelu, recordRelu, recordSum } from './layers/pointwise.ts';
import { recordAveragePool, recordMaxPool } from './layers/pool.ts';
import type { NativeParameters } from './parameters.ts';
import { Recorder, viewOf, type Executable, type Tensor } from './recorder.ts';

export function compileOneDnn(
  context: Context,
  network: Network,
  parameters: NativeParameters,
  options: PlanOptions,
  profile: boolean,
): Plan {
  const scope = new Scope();
  try {
    return build(context, scope, network, parameters, options, profile);
  } catch (thrown) {
    scope[Symbol.dispose]();
    throw thrown;
  }
}

function build(
  context: Context,
  scope: Scope,
  network: Network,
  parameters: NativeParameters,
  options: PlanOptions,
  profile: boolean,
): Plan {
  bindParameters(network, parameters);
  const shapes = inferShapes(network);
  const training = options.mode === 'train';
  const needs = gradientNeeds(network, training ? (options.trainable ?? (() => true)) : () => false);
  const recorder = new Recorder(context, scope);
  const normGroups = options.normGroups ?? 1;
  if (options.batch % normGroups !== 0)
    throw new UsclError({
      kind: 'usage',
      code: 'NORM_GROUPS',
      message: `A batch of ${options.batch} cannot be split into ${normGroups} equal parts.`,
      where: 'normGroups',
      remedy: 'Choose a batch that is a multiple of the number of parts.',
    });
  const compilation: Compilation = {
    recorder,
    batch: options.batch,
    training,
    normGroups,
    dataType: options.precision === 'bf16' ? DataType.bf16 : DataType.f32,
    valueAddress: (name) => elementAddress(parameters.valuesAddress, parameters.offsetOf(name)),
    gradientAddress: (name) => elementAddress(parameters.gradientsAddress, parameters.offsetOf(name)),
    statisticAddress: (name) =>
      elementAddress(parameters.statisticsAddress, parameters.statisticOffsetOf(name)),
    trainable: (name) => needs.parameters.has(name),
  };
  const dense = (shape: ValueShape): Tensor =>
    recorder.own(
      context.descriptor(
        scope,
        [options.batch, ...shape],
        DataType.f32,
        shape.length === 3 ? Tag.abcd : Tag.ab,
      ),
    );

  const expendable = expendableSums(network);
  const input = dense(network.input);
  const values = new Map<string, Tensor>([[INPUT, input]]);
  const recorded = new Map<string, Recorded>();
  for (const node of network.nodes) {
    const result = recordForward(compilation, node, values, shapes, expendable);
    recorded.set(node.name, result);
    values.set(node.name, result.output);
  }
  const outputs = new Map<string, Tensor>();
  const outputGradients = new Map<string, Tensor>();
  for (const name of network.outputs) {
    const visible = dense(shapes.get(name)!);
    recorder.kernel(
      name,
      'output',
      context.reorder(scope, values.get(name)!.descriptor, visible.descriptor),
      [
        [1, values.get(name)!],
        [17, visible],
      ],
    );
    outputs.set(name, visible);
    if (training) outputGradients.set(name, dense(shapes.get(name)!));
  }
  const forwardEnd = recorder.position;
  if (training) recordBackward(compilation, network, recorded, outputGradients, needs.values);
  const end = recorder.position;
  const executable = recorder.finish(profile);
  return new OneDnnPlan(scope, executable, forwardEnd, end, options.batch, parameters, viewOf(input), {
    outputs: mapValues(outputs, viewOf),
    gradients: mapValues(outputGradients, viewOf),
  });
}

function recordForward(
  compilation: Compilation,
  node: Node,
  values: ReadonlyMap<string, Tensor>,
  shapes: ReadonlyMap<string, ValueShape>,
  expendable: ReadonlySet<string>,
): Recorded {
  const [first, second] = inputsOf(node).map((name) => values.get(name)!);
  const shape = shapes.get(node.name)!;
  switch (node.kind) {
    case 'conv':
      return recordConv(compilation, node, first!, shape);
    case 'batchNorm':
      return recordBatchNorm(compilation, node, first!);
    case 'addRelu':
      return recordAddRelu(compilation, node, first!, second!, expendable.has(node.inputs[0]));
    case 'relu':
      return recordRelu(compilation, node, first!);
    case 'maxPool':
      return recordMaxPool(compilation, node, first!, shape);
    case 'globalAveragePool':
      return recordAveragePool(compilation, node, first!);
    case 'linear':
      return recordLinear(compilation, node, first!);
  }
}

/** A gradient that has arrived at a value, and how many parties still have to read it. */
interface Contribution {
  readonly tensor: Tensor;
  readonly readers: { left: number };
}

function recordBackward(
  compilation: Compilation,
  network: Network,
  recorded: ReadonlyMap<string, Recorded>,
  outputGradients: ReadonlyMap<string, Tensor>,
  needed: ReadonlySet<string>,
): void {
  const arrived = new Map<string, Contribution[]>();
  const deliver = (name: string, contribution: Contribution): void => {
    const list = arrived.get(name);
    if (list === undefined) arrived.set(name, [contribution]);
    else list.push(contribution);
  };
  // The host's own gradient must survive the pass: one reader that never reads.
  for (const [name, tensor] of outputGradients) deliver(name, { tensor, readers: { left: 2 } });
  for (const node of [...network.nodes].reverse()) {
    const contributions = arrived.get(node.name);
    if (contributions === undefined || !needed.has(node.name)) continue;
    const incoming = sumContributions(compilation, node.name, contributions);
    const inputs = inputsOf(node);
    const wanted = inputs.map((name) => name !== INPUT && needed.has(name));
    const results = recorded.get(node.name)!.backward!(incoming, wanted);
    // One tensor may go to several inputs (a sum's two sides): each must know of the other.
    const shared = new Map<Tensor, { left: number }>();
    inputs.forEach((name, index) => {
      const tensor = results[index];
      if (tensor === undefined || wanted[index] !== true) return;
      const readers = shared.get(tensor) ?? { left: 0 };
      readers.left += 1;
      shared.set(tensor, readers);
      deliver(name, { tensor, readers });
    });
  }
}

function sumContributions(
  compilation: Compilation,
  node: string,
  contributions: readonly Contribution[],
): Incoming {
  const read = (contribution: Contribution): Incoming => {
    contribution.readers.left -= 1;
    return { gradient: contribution.tensor, mayOverwrite: contribution.readers.left === 0 };
  };
  let sum = read(contributions[0]!);
  for (const contribution of contributions.slice(1)) {
    const next = read(contribution);
    // Whichever of the two is free to be overwritten takes the sum.
    const [target, other] = sum.mayOverwrite ? [sum, next] : [next, sum];
    sum = { gradient: recordSum(compilation, node, target, other.gradient), mayOverwrite: true };
  }
  return sum;
}

/**
 * Values that a sum may overwrite: the output of a batch norm that no one else reads. Its own backward pass needs
 * the input and the statistics, not the output.
 */
function expendableSums(network: Network): ReadonlySet<string> {
  const readers = new Map<string, number>();
  for (const name of [...network.nodes.flatMap(inputsOf), ...network.outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  return new Set(
    network.nodes
      .filter((node) => node.kind === 'batchNorm' && !node.relu && readers.get(node.name) === 1)
      .map(({ name }) => name),
  );
}

function mapValues<V, W>(map: ReadonlyMap<string, V>, convert: (value: V) => W): ReadonlyMap<string, W> {
  return new Map([...map].map(([key, value]) => [key, convert(value)]));
}

class OneDnnPlan implements Plan {
  readonly batch: number;
  readonly input: Float32Array;
  readonly bytes: number;
  readonly #scope: Scope;
  readonly #executable: Executable;
  readonly #forwardEnd: number;
  readonly #end: number;
  readonly #parameters: NativeParameters;
  readonly #outputs: ReadonlyMap<string, Float32Array>;
  readonly #gradients: ReadonlyMap<string, Float32Array>;
  #held: Float32Array | undefined;
  #activationsKept = false;

  constructor(
    scope: Scope,
    executable: Executable,
    forwardEnd: number,
    end: number,
    batch: number,
    parameters: NativeParameters,
    input: Float32Array,
    visible: {
      readonly outputs: ReadonlyMap<string, Float32Array>;
      readonly gradients: ReadonlyMap<string, Float32Array>;
    },
  ) {
    this.#scope = scope;
    this.#executable = executable;
    this.#forwardEnd = forwardEnd;
    this.#end = end;
    this.batch = batch;
    this.#parameters = parameters;
    this.input = input;
    this.bytes = executable.bytes;
    this.#outputs = visible.outputs;
    this.#gradients = visible.gradients;
  }

  forward(): void {
    this.#executable.run(0, this.#forwardEnd);
    this.#activationsKept = true;
  }

  output(name: string): Float32Array {
    return found(this.#outputs, name);
  }

  outputGradient(name: string): Float32Array {
    return found(this.#gradients, name);
  }

  backward(options: { readonly accumulate?: boolean } = {}): void {
    if (this.#end === this.#forwardEnd) throw new RangeError('an inference plan has no backward pass');
    // Buffers of activations are reused on the way down: what a second pass would read is gone.
    if (!this.#activationsKept) throw new RangeError('backward needs a forward pass of its own');
    this.#activationsKept = false;
    const { gradients } = this.#parameters;
    if (options.accumulate === true) (this.#held ??= new Float32Array(gradients.length)).set(gradients);
    this.#executable.run(this.#forwardEnd, this.#end);
    if (options.accumulate !== true) return;
    const held = this.#held!;
    for (let i = 0; i < gradients.length; i++) gradients[i]! += held[i]!;
  }

  profile(): readonly KernelTime[] {
    return this.#executable.times().filter(({ calls }) => calls > 0);
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

function found(map: ReadonlyMap<string, Float32Array>, name: string): Float32Array {
  const value = map.get(name);
  if (value === undefined) throw new RangeError(`the plan has no output called "${name}"`);
  return value;
}
