/**
 * The layers of a network as plain loops: the oracle that every other backend is tested against, itself tested
 * against finite differences and golden numbers. Written to be read; sums are kept in f64. Gradients of parameters are
 * added to what is there, all other results overwrite it.
 */
import type { Moments } from '../core/shared-norms.ts';

export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Feature maps of a batch, or their gradient: [batch, channels, height, width], row-major. Vectors are maps of one pixel. */
export interface Maps {
  readonly data: Float32Array;
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** One weight of a filter's window: which output rows and columns it serves, and how far off its input lies. */
interface Tap {
  readonly rows: readonly [first: number, end: number];
  readonly columns: readonly [first: number, end: number];
  /** Added to the input index under an output (row · stride · width + column · stride). */
  readonly shift: number;
}

/** The taps of a window in the order of its weights; outputs whose input would be padding are left out. */
function tapsOf({ kernel, stride, padding }: Window, source: Maps, target: Maps): readonly Tap[] {
  const served = (k: number, inputs: number, outputs: number): readonly [number, number] => [
    Math.max(0, Math.ceil((padding - k) / stride)),
    Math.min(outputs, Math.floor((inputs - 1 + padding - k) / stride) + 1),
  ];
  return Array.from({ length: kernel * kernel }, (_, index) => {
    const [ky, kx] = [Math.floor(index / kernel), index % kernel];
    return {
      rows: served(ky, source.height, target.height),
      columns: served(kx, source.width, target.width),
      shift: (ky - padding) * source.width + kx - padding,
    };
  });
}

export function convForward(window: Window, from: Maps, weight: Float32Array, to: Maps): void {
  const { stride } = window;
  const { data: source, batch, channels, height, width } = from;
  const { data: target, channels: filters, height: rows, width: columns } = to;
  const taps = tapsOf(window, from, to);
  const plane = new Float64Array(rows * columns);
  for (let n = 0; n < batch; n++)
    for (let f = 0; f < filters; f++) {
      plane.fill(0);
      for (let c = 0; c < channels; c++)
        taps.forEach(({ rows: [y0, y1], columns: [x0, x1], shift }, tap) => {
          const w = weight[(f * channels + c) * taps.length + tap]!;
          for (let y = y0; y < y1; y++) {
            const at = ((n * channels + c) * height + y * stride) * width + shift;
            for (let x = x0; x < x1; x++) plane[y * columns + x]! += w * source[at + x * stride]!;
          }
        });
      target.set(plane, (n * filters + f) * rows * columns);
    }
}

/** From the gradient of the output to that of the input. */
export function convBackwardData(window: Window, from: Maps, weight: Float32Array, to: Maps): void {
  const { stride } = window;
  const { data: targetGradient, batch, channels: filters, height: rows, width: columns } = from;
  const { data: sourceGradient, channels, height, width } = to;
  const taps = tapsOf(window, to, from);
  const plane = new Float64Array(height * width);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      plane.fill(0);
      for (let f = 0; f < filters; f++)
        taps.forEach(({ rows: [y0, y1], columns: [x0, x1], shift }, tap) => {
          const w = weight[(f * channels + c) * taps.length + tap]!;
          for (let y = y0; y < y1; y++) {
            const place = y * stride * width + shift;
            const at = ((n * filters + f) * rows + y) * columns;
            for (let x = x0; x < x1; x++) plane[place + x * stride]! += w * targetGradient[at + x]!;
          }
        });
      sourceGradient.set(plane, (n * channels + c) * height * width);
    }
}

/** From the input and the gradient of the output to that of the weight. */
export function convBackwardWeight(
  window: Window,
  input: Maps,
  incoming: Maps,
  weightGradient: Float32Array,
): void {
  const { stride } = window;
  const { data: source, batch, channels, height, width } = input;
  const { data: targetGradient, channels: filters, height: rows, width: columns } = incoming;
  const taps = tapsOf(window, input, incoming);
  for (let f = 0; f < filters; f++)
    for (let c = 0; c < channels; c++)
      taps.forEach(({ rows: [y0, y1], columns: [x0, x1], shift }, tap) => {
        let sum = 0;
        for (let n = 0; n < batch; n++)
          for (let y = y0; y < y1; y++) {
            const a = ((n * channels + c) * height + y * stride) * width + shift;
            const b = ((n * filters + f) * rows + y) * columns;
            for (let x = x0; x < x1; x++) sum += source[a + x * stride]! * targetGradient[b + x]!;
          }
        weightGradient[(f * channels + c) * taps.length + tap]! += sum;
      });
}

/** Mean and (biased) variance per group and channel, as one batch-norm execution leaves them. */
export type NormMoments = Moments;

/** What a batch norm does to each of `groups` consecutive parts of the batch. */
export interface Norm {
  readonly groups: number;
  readonly moments: NormMoments;
  readonly scale: Float32Array;
  readonly epsilon: number;
  readonly relu: boolean;
}

/** Moments of each channel over each part of the batch: [groups × channels]. */
export function normMoments(
  { data: source, batch, channels, height, width }: Maps,
  groups: number,
): NormMoments {
  const moments = {
    mean: new Float32Array(groups * channels),
    variance: new Float32Array(groups * channels),
  };
  const area = height * width;
  const part = batch / groups;
  for (let g = 0; g < groups; g++)
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let n = g * part; n < (g + 1) * part; n++)
        for (let i = 0, at = (n * channels + c) * area; i < area; i++) sum += source[at + i]!;
      const mean = sum / (part * area);
      let squares = 0;
      for (let n = g * part; n < (g + 1) * part; n++)
        for (let i = 0, at = (n * channels + c) * area; i < area; i++)
          squares += (source[at + i]! - mean) ** 2;
      moments.mean[g * channels + c] = mean;
      moments.variance[g * channels + c] = squares / (part * area);
    }
  return moments;
}

/** y = (x − mean) / √(variance + ε) · scale + shift, then ReLU when asked. */
export function normForward(
  { groups, moments, scale, epsilon, relu }: Norm,
  shift: Float32Array,
  { data: source, batch, channels, height, width }: Maps,
  { data: target }: Maps,
): void {
  const area = height * width;
  const part = batch / groups;
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      const m = Math.floor(n / part) * channels + c;
      const factor = scale[c]! / Math.sqrt(moments.variance[m]! + epsilon);
      const offset = shift[c]! - moments.mean[m]! * factor;
      for (let i = 0, at = (n * channels + c) * area; i < area; i++) {
        const value = source[at + i]! * factor + offset;
        target[at + i] = relu && value < 0 ? 0 : value;
      }
    }
}

/** Where the gradients of a layer go. */
export interface Outgoing {
  readonly source: Float32Array;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/** Of each group and channel: Σ gᵢ and Σ gᵢ·x̂ᵢ of the gradients that pass the ReLU, x̂ = (x − mean) / √(variance + ε). */
export interface NormSums {
  readonly gradient: Float32Array | Float64Array;
  readonly product: Float32Array | Float64Array;
}

/** The sums behind a norm's gradient. `target` is its output (the ReLU's mask). */
export function normSums(
  { groups, moments, epsilon, relu }: Norm,
  { data: source, batch, channels, height, width }: Maps,
  { data: target }: Maps,
  { data: targetGradient }: Maps,
): NormSums {
  const [gradient, product] = [new Float64Array(groups * channels), new Float64Array(groups * channels)];
  const area = height * width;
  const part = batch / groups;
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      const m = Math.floor(n / part) * channels + c;
      const mean = moments.mean[m]!;
      const inverse = 1 / Math.sqrt(moments.variance[m]! + epsilon);
      let [sum, dot] = [gradient[m]!, product[m]!];
      for (let i = 0, at = (n * channels + c) * area; i < area; i++) {
        if (relu && target[at + i]! <= 0) continue;
        sum += targetGradient[at + i]!;
        dot += targetGradient[at + i]! * (source[at + i]! - mean) * inverse;
      }
      gradient[m] = sum;
      product[m] = dot;
    }
  return { gradient, product };
}

/** Adds the gradients of scale and shift: sums over all groups. */
export function normParameterGradients({ gradient, product }: NormSums, outgoing: Outgoing): void {
  const channels = outgoing.weight.length;
  for (let m = 0; m < gradient.length; m++) {
    outgoing.weight[m % channels]! += product[m]!;
    outgoing.bias[m % channels]! += gradient[m]!;
  }
}

/**
 * Gradient of `normForward` for its source. `target` is its output (the ReLU's mask). With `sums` the moments depend on the source
 * and their gradient is part of the result; with null they are constants.
 */
export function normBackward(
  { groups, moments, scale, epsilon, relu }: Norm,
  sums: NormSums | null,
  { data: source, batch, channels, height, width }: Maps,
  { data: target }: Maps,
  { data: targetGradient }: Maps,
  sourceGradient: Float32Array,
): void {
  const area = height * width;
  const part = batch / groups;
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      const m = Math.floor(n / part) * channels + c;
      const mean = moments.mean[m]!;
      const inverse = 1 / Math.sqrt(moments.variance[m]! + epsilon);
      const count = part * area;
      const [sum, dot] = sums === null ? [0, 0] : [sums.gradient[m]!, sums.product[m]!];
      for (let i = 0, at = (n * channels + c) * area; i < area; i++) {
        const incoming = relu && target[at + i]! <= 0 ? 0 : targetGradient[at + i]!;
        const centred =
          sums === null
            ? incoming
            : incoming - sum / count - ((source[at + i]! - mean) * inverse * dot) / count;
        sourceGradient[at + i] = centred * scale[c]! * inverse;
      }
    }
}

/** Window maxima and, in `argmax`, where in the input plane each was found (first of equals). */
export function maxPoolForward(
  { kernel, stride, padding }: Window,
  { data: source, batch, channels, height, width }: Maps,
  { data: target, height: rows, width: columns }: Maps,
  argmax: Int32Array,
): void {
  for (let plane = 0; plane < batch * channels; plane++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) {
        let best = -Infinity;
        let where = -1;
        for (let ky = 0; ky < kernel; ky++)
          for (let kx = 0; kx < kernel; kx++) {
            const row = y * stride + ky - padding;
            const column = x * stride + kx - padding;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            const value = source[plane * height * width + row * width + column]!;
            if (value > best) {
              best = value;
              where = row * width + column;
            }
          }
        const at = (plane * rows + y) * columns + x;
        target[at] = best;
        argmax[at] = where;
      }
}

/** From the gradient of the output to that of the input. */
export function maxPoolBackward(from: Maps, argmax: Int32Array, to: Maps): void {
  const area = from.height * from.width;
  to.data.fill(0);
  for (let plane = 0; plane < from.batch * from.channels; plane++)
    for (let i = 0; i < area; i++) {
      const at = plane * area + i;
      if (argmax[at]! >= 0) to.data[plane * to.height * to.width + argmax[at]!]! += from.data[at]!;
    }
}

export function averagePoolForward(from: Maps, to: Maps): void {
  const area = from.height * from.width;
  for (let plane = 0; plane < from.batch * from.channels; plane++) {
    let sum = 0;
    for (let i = 0; i < area; i++) sum += from.data[plane * area + i]!;
    to.data[plane] = sum / area;
  }
}

/** From the gradient of the output to that of the input. */
export function averagePoolBackward(from: Maps, to: Maps): void {
  const area = to.height * to.width;
  for (let plane = 0; plane < to.batch * to.channels; plane++)
    to.data.fill(from.data[plane]! / area, plane * area, (plane + 1) * area);
}

/** y = x·Wᵀ + b, x [batch, inputs], W [features, inputs]. */
export function linearForward(
  { data: source, batch, channels: inputs }: Maps,
  weight: Float32Array,
  bias: Float32Array,
  { data: target, channels: features }: Maps,
): void {
  for (let n = 0; n < batch; n++)
    for (let f = 0; f < features; f++) {
      let sum = bias[f]!;
      for (let i = 0; i < inputs; i++) sum += source[n * inputs + i]! * weight[f * inputs + i]!;
      target[n * features + f] = sum;
    }
}

export function linearBackward(
  { data: source, batch, channels: inputs }: Maps,
  weight: Float32Array,
  { data: targetGradient, channels: features }: Maps,
  outgoing: Outgoing,
): void {
  for (let n = 0; n < batch; n++)
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let f = 0; f < features; f++) sum += targetGradient[n * features + f]! * weight[f * inputs + i]!;
      outgoing.source[n * inputs + i] = sum;
    }
  for (let f = 0; f < features; f++) {
    let biasSum = 0;
    for (let n = 0; n < batch; n++) biasSum += targetGradient[n * features + f]!;
    outgoing.bias[f]! += biasSum;
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let n = 0; n < batch; n++) sum += targetGradient[n * features + f]! * source[n * inputs + i]!;
      outgoing.weight[f * inputs + i]! += sum;
    }
  }
}
