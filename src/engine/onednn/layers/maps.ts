/**
 * Layouts of feature maps. oneDNN's blocked layouts round channels up to a vector's length, and everyone who writes
 * such a map must leave zeros beyond the last channel. Not all kernels do (a sum with ReLU in place leaves the whole
 * last block unwritten, up to 3.0), so no map is ever laid out that way: where the library's choice would pad, a map
 * is channels-last, which has nothing to pad, and so is every map after it.
 */
import { DataType, Query } from '../native/constants.ts';
import type { Descriptor, Primitive } from '../native/context.ts';
import type { Tensor } from '../native/recorder.ts';
import { free, layoutOf, type Compilation } from './common.ts';

/** Layouts of what a convolution reads and of what it makes. */
export interface Maps {
  readonly source: Descriptor;
  readonly destination: Descriptor;
}

/** Makes the kernel of a convolution for maps in these layouts, or in layouts it may choose. */
export type MakeKernel = (source: Descriptor, destination: Descriptor) => Primitive;

/** Whether the layout holds more numbers than the tensor has. */
export function isPadded({ dimensions, type, bytes }: Descriptor): boolean {
  const size = type === DataType.bf16 ? 2 : 4;
  return bytes > size * dimensions.reduce((product, length) => product * length, 1);
}

/** `chooses`: the source is the plan's input as the host writes it, and may be brought into any layout. */
export function chooseMaps(
  c: Compilation,
  source: Tensor,
  chooses: boolean,
  outputDimensions: readonly number[],
  make: MakeKernel,
): Maps {
  const { dataType } = c;
  const { dimensions } = source.descriptor;
  const last = channelsLast(c, outputDimensions);
  if (!chooses && c.recorder.context.sameLayout(source.descriptor, channelsLast(c, dimensions)))
    return { source: source.descriptor, destination: last };
  const kernel = make(
    chooses ? free(c, dimensions, dataType) : source.descriptor,
    free(c, outputDimensions, dataType),
  );
  const maps = {
    source: layoutOf(kernel, Query.source, dimensions, dataType),
    destination: layoutOf(kernel, Query.destination, outputDimensions, dataType),
  };
  if (!isPadded(maps.source) && !isPadded(maps.destination)) return maps;
  return { source: chooses ? channelsLast(c, dimensions) : source.descriptor, destination: last };
}

/**
 * The kernel for maps in these layouts. Where the library has nothing but its plain loops for them, a hundred times
 * slower, the kernel for layouts of its choice: its caller then brings the operands into them and back.
 */
export function kernelFor(c: Compilation, { source, destination }: Maps, make: MakeKernel): Primitive {
  const kernel = make(source, destination);
  if (!isPlainLoops(kernel)) return kernel;
  const open = ({ dimensions, type }: Descriptor): Descriptor => free(c, dimensions, type);
  const other = make(open(source), open(destination));
  return isPlainLoops(other) ? kernel : other;
}

function isPlainLoops({ implementation }: Primitive): boolean {
  return implementation.startsWith('ref');
}

function channelsLast(c: Compilation, dimensions: readonly number[]): Descriptor {
  return c.recorder.context.descriptor(c.recorder.scope, dimensions, c.dataType, 'acdb');
}
