/**
 * Compiling a network into a recorded sequence of oneDNN calls: forward nodes in order, then backward in reverse with
 * the gradients of shared values summed. All choices are made here, once; a step only executes.
 */
import type { KernelTime, Plan, PlanOptions } from '../core/backend.ts';
import { foldNetwork } from '../core/fold.ts';
import { gradientNeeds } from '../core/gradients.ts';
import { inferShapes, INPUT, type Network, type ValueShape } from '../core/network.ts';
import { bindParameters } from '../core/parameters.ts';
import { checkPlanOptions } from '../core/plan-options.ts';
import { recordBackward } from './backward.ts';
import { DataType, Prop } from './native/constants.ts';
import type { Context } from './native/context.ts';
import { Scope } from '../native/scope.ts';
import { recordForward } from './forward.ts';
import { elementAddress, recordCopy, type Compilation } from './layers/common.ts';
import type { NativeParameters } from './native/parameters.ts';
import { PlanGradients } from './plan-gradients.ts';
import { Recorder, viewOf, type Executable, type Tensor } from './native/recorder.ts';

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
  const bound = bindParameters(network, parameters);
  const shapes = inferShapes(network);
  checkPlanOptions(network, shapes, options);
  const training = options.mode === 'train';
  const { taps = [] } = options;
  const needs = gradientNeeds(
    network,
    training ? (options.trainable ?? (() => true)) : () => false,
    training ? taps : [],
  );
  const recorder = new Recorder(context, scope);
  const written = new Set<string>();
  const compilation: Compilation = {
    recorder,
    batch: options.batch,
    training,
    forward: training ? Prop.forwardTraining : Prop.forwardInference,
    winograd: options.winograd ?? false,
    normGroups: options.normGroups ?? 1,
    normRanks: training ? options.normRanks : undefined,
    dataType: options.precision === 'bf16' ? DataType.bf16 : DataType.f32,
    valueAddress: (name) => elementAddress(parameters.valuesAddress, parameters.offsetOf(name)),
    gradientAddress: (name) => {
      written.add(name);
      return elementAddress(parameters.gradientsAddress, parameters.offsetOf(name));
    },
    statisticAddress: (name) =>
      elementAddress(parameters.statisticsAddress, parameters.statisticOffsetOf(name)),
    trainable: (name) => needs.parameters.has(name),
    needsGradient: (value) => needs.values.has(value),
    frozenNorm: (node) => !training || options.frozenNorms?.(node) === true,
    bound,
  };
  const dense = (shape: ValueShape): Tensor =>
    recorder.own(
      context.descriptor(scope, [options.batch, ...shape], DataType.f32, shape.length === 3 ? 'abcd' : 'ab'),
    );

  const input = dense(network.input);
  const visibleTaps = new Map(taps.map((name) => [name, name === INPUT ? input : dense(shapes.get(name)!)]));
  const { values, recorded } = recordForward(
    compilation,
    network,
    options.fold === true ? foldNetwork(network, taps) : network.nodes,
    shapes,
    input,
    visibleTaps,
  );
  const outputs = new Map<string, Tensor>();
  const outputGradients = new Map<string, Tensor>();
  for (const name of network.outputs) {
    const visible = dense(shapes.get(name)!);
    recordCopy(compilation, name, 'output', values.get(name)!, visible);
    outputs.set(name, visible);
    if (training) outputGradients.set(name, dense(shapes.get(name)!));
  }
  const forwardEnd = recorder.position;
  const tapGradients = new Map(training ? taps.map((name) => [name, dense(shapes.get(name)!)]) : []);
  if (training)
    recordBackward(compilation, network, {
      recorded,
      values,
      outputGradients,
      tapGradients,
      needed: needs.values,
    });
  const end = recorder.position;
  const executable = recorder.finish(profile);
  const gradients = new PlanGradients(parameters, written, needs.parameters);
  return new OneDnnPlan(scope, executable, forwardEnd, end, options.batch, gradients, viewOf(input), {
    outputs: mapValues(outputs, viewOf),
    gradients: mapValues(outputGradients, viewOf),
    taps: mapValues(visibleTaps, viewOf),
    tapGradients: mapValues(tapGradients, viewOf),
  });
}

function mapValues<V, W>(map: ReadonlyMap<string, V>, convert: (value: V) => W): ReadonlyMap<string, W> {
  return new Map([...map].map(([key, value]) => [key, convert(value)]));
}

/** What the host reads and writes between executions, by name. */
interface VisibleValues {
  readonly outputs: ReadonlyMap<string, Float32Array>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly taps: ReadonlyMap<string, Float32Array>;
  readonly tapGradients: ReadonlyMap<string, Float32Array>;
}

class OneDnnPlan implements Plan {
  readonly batch: number;
  readonly input: Float32Array;
  readonly bytes: number;
  readonly #scope: Scope;
  readonly #executable: Executable;
  readonly #forwardEnd: number;
  readonly #end: number;
  readonly #gradients: PlanGradients;
  readonly #visible: VisibleValues;
  #activationsKept = false;

  constructor(
    scope: Scope,
    executable: Executable,
    forwardEnd: number,
    end: number,
    batch: number,
    gradients: PlanGradients,
    input: Float32Array,
    visible: VisibleValues,
  ) {
    this.#scope = scope;
    this.#executable = executable;
    this.#forwardEnd = forwardEnd;
    this.#end = end;
    this.batch = batch;
    this.#gradients = gradients;
    this.input = input;
    this.bytes = executable.bytes;
    this.#visible = visible;
  }

  forward(): void {
    this.#executable.run(0, this.#forwardEnd);
    this.#activationsKept = true;
  }

  output(name: string): Float32Array {
    return found(this.#visible.outputs, name);
  }

  outputGradient(name: string): Float32Array {
    return found(this.#visible.gradients, name);
  }

  value(tap: string): Float32Array {
    return found(this.#visible.taps, tap);
  }

  valueGradient(tap: string): Float32Array {
    return found(this.#visible.tapGradients, tap);
  }

  backward(options: { readonly accumulate?: boolean } = {}): void {
    if (this.#end === this.#forwardEnd) throw new RangeError('an inference plan has no backward pass');
    // Buffers of activations are reused on the way down: what a second pass would read is gone.
    if (!this.#activationsKept) throw new RangeError('backward needs a forward pass of its own');
    this.#activationsKept = false;
    const pass = (): void => {
      this.#executable.run(this.#forwardEnd, this.#end);
    };
    if (options.accumulate === true) this.#gradients.increasedBy(pass);
    else this.#gradients.replacedBy(pass);
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
  if (value === undefined) throw new RangeError(`the plan does not show a value called "${name}"`);
  return value;
}
