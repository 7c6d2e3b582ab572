/**
 * From frames to a network's input, as nodes of ONNX: scaled as `views/resample.ts` scales whole frames (a triangle filter that
 * widens with the reduction, first along rows, then along columns, rounded to 8 bits after each), then normalised.
 * Scaling along one axis is a product with a matrix of weights of 22 bits, which the graph makes from the size of the frames:
 *
 *     w_ij = max{ 0, 1 − |(j + ½) − (i + ½) s| / max(s, 1) },  each row divided by its sum,  s = pixels in / pixels out
 *
 * All of it is f64, in which those products are exact: sums often lie exactly between two values, and would else be rounded otherwise.
 */
import type { Initializer, OnnxNode } from '../../formats/onnx/model.ts';
import { ofChannel, type ViewConfig } from '../../views/config.ts';
import type { OnnxPart } from './graph.ts';

/** Of the weights of `views/resample.ts`. */
const WEIGHT_BITS = 22;

/** Reads frames [batch, height, width, channels] of 8 bits from `input`, makes [batch, channels, size, size] called `output`. */
export function preprocessingPart(
  { size, channels, normalise }: Pick<ViewConfig, 'size' | 'channels' | 'normalise'>,
  input: string,
  output: string,
): OnnxPart {
  const nodes: OnnxNode[] = [];
  const initializers: Initializer[] = [];
  const op = (
    kind: string,
    name: string,
    inputs: readonly string[],
    attributes: NonNullable<OnnxNode['attributes']> = {},
  ): string => {
    nodes.push({ op: kind, name: `view.${name}`, inputs, outputs: [`view.${name}`], attributes });
    return `view.${name}`;
  };
  const whole = (name: string, values: readonly number[], scalar = false): string => {
    const data = BigInt64Array.from(values, BigInt);
    initializers.push({ name: `view.${name}`, type: 'int64', shape: scalar ? [] : [values.length], data });
    return `view.${name}`;
  };
  const double = (name: string, values: readonly number[], shape: readonly number[] = []): string => {
    initializers.push({ name: `view.${name}`, type: 'double', shape, data: Float64Array.from(values) });
    return `view.${name}`;
  };
  const [zero, half, one] = [double('zero', [0]), double('half', [0.5]), double('one', [1])];
  const out = double('size', [size]);
  const [bits, most] = [double('bits', [2 ** WEIGHT_BITS]), double('most', [255])];
  const shape = op('Shape', 'shape', [input]);
  /** [size, pixels] of an axis of the frames. */
  const weights = (axis: 'height' | 'width', place: number): string => {
    const long = op('Gather', `${axis}.length`, [shape, whole(`${axis}.axis`, [place], true)]);
    const length = op('Cast', `${axis}.pixels`, [long], { to: 11 });
    const scale = op('Div', `${axis}.scale`, [length, out]);
    const support = op('Max', `${axis}.support`, [scale, one]);
    const centres = (name: string, count: string): string =>
      op('Add', `${axis}.${name}`, [op('Range', `${axis}.${name}.from`, [zero, count, one]), half]);
    const targets = op('Mul', `${axis}.centres`, [centres('out', out), scale]);
    const column = op('Unsqueeze', `${axis}.column`, [targets, whole(`${axis}.last`, [1])]);
    const distance = op('Abs', `${axis}.distance`, [
      op('Sub', `${axis}.difference`, [centres('in', length), column]),
    ]);
    const share = op('Div', `${axis}.share`, [distance, support]);
    const triangle = op('Relu', `${axis}.triangle`, [op('Sub', `${axis}.rest`, [one, share])]);
    const sum = op('ReduceSum', `${axis}.sum`, [triangle, whole(`${axis}.rows`, [1])], { keepdims: 1 });
    const shares = op('Mul', `${axis}.shares`, [op('Div', `${axis}.parts`, [triangle, sum]), bits]);
    return op('Floor', `${axis}.weights`, [op('Add', `${axis}.up`, [shares, half])]);
  };
  const rounded = (name: string, sums: string): string => {
    const up = op('Add', `${name}.up`, [op('Div', `${name}.value`, [sums, bits]), half]);
    return op('Clip', `${name}.bits`, [op('Floor', `${name}.floor`, [up]), zero, most]);
  };
  // Grey frames for a network of colour are repeated.
  const repeated = op('Expand', 'channels', [input, whole('repeat', [1, 1, 1, channels])]);
  const frames = op('Cast', 'numbers', [op('Transpose', 'planes', [repeated], { perm: [0, 3, 1, 2] })], {
    to: 11,
  });
  const across = op('Transpose', 'width.turned', [weights('width', 2)], { perm: [1, 0] });
  const narrow = rounded('rows', op('MatMul', 'rows', [frames, across]));
  const resized = rounded('columns', op('MatMul', 'columns', [weights('height', 1), narrow]));
  const each = (value: Parameters<typeof ofChannel>[0]): number[] =>
    Array.from({ length: channels }, (_, channel) => ofChannel(value, channel));
  const unit = op('Div', 'unit', [resized, most]);
  const less = op('Sub', 'less', [unit, double('mean', each(normalise.mean), [1, channels, 1, 1])]);
  const normal = op('Div', 'normal', [less, double('std', each(normalise.std), [1, channels, 1, 1])]);
  nodes.push({ op: 'Cast', name: output, inputs: [normal], outputs: [output], attributes: { to: 1 } });
  return { nodes, initializers };
}
