/**
 * The layers of a network as plain loops: the oracle that every other backend is tested against, itself tested
 * against finite differences and golden numbers. Written to be read; sums are kept in f64. All tensors are
 * row-major [batch, channels, height, width]; gradients of parameters are added to what is there.
 */

export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Shape of a feature map: [channels, height, width]. */
export type MapShape = readonly [channels: number, height: number, width: number];

/** One weight of a filter's window: which output rows and columns it serves, and how far off its input lies. */
interface Tap {
  readonly rows: readonly [first: number, end: number];
  readonly columns: readonly [first: number, end: number];
  /** Added to the input index under an output (row · stride · width + column · stride). */
  readonly shift: number;
}

/** The taps of a window in the order of its weights; outputs whose input would be padding are left out. */
function tapsOf(
  { kernel, stride, padding }: Window,
  [, height, width]: MapShape,
  [, rows, columns]: MapShape,
): readonly Tap[] {
  const served = (k: number, inputs: number, outputs: number): readonly [number, number] => [
    Math.max(0, Math.ceil((padding - k) / stride)),
    Math.min(outputs, Math.floor((inputs - 1 + padding - k) / stride) + 1),
  ];
  return Array.from({ length: kernel * kernel }, (_, index) => {
    const [ky, kx] = [Math.floor(index / kernel), index % kernel];
    return {
      rows: served(ky, height, rows),
      columns: served(kx, width, columns),
      shift: (ky - padding) * width + kx - padding,
    };
  });
}

export function convForward(
  batch: number,
  window: Window,
  source: Float32Array,
  sourceShape: MapShape,
  weight: Float32Array,
  target: Float32Array,
  targetShape: MapShape,
): void {
  const { stride } = window;
  const [channels, height, width] = sourceShape;
  const [filters, rows, columns] = targetShape;
  const taps = tapsOf(window, sourceShape, targetShape);
  const plane = new Float64Array(rows * columns);
  for (let n = 0; n < batch; n++)
    for (let f = 0; f < filters; f++) {
      plane.fill(0);
      for (let c = 0; c < channels; c++)
        taps.forEach(({ rows: [y0, y1], columns: [x0, x1], shift }, tap) => {
          const w = weight[(f * channels + c) * taps.length + tap]!;
          for (let y = y0; y < y1; y++) {
            const from = ((n * channels + c) * height + y * stride) * width + shift;
            for (let x = x0; x < x1; x++) plane[y * columns + x]! += w * source[from + x * stride]!;
          }
        });
      target.set(plane, (n * filters + f) * rows * columns);
    }
}

/** ∂/∂source, overwriting `sourceGradient`. */
export function convBackwardData(
  batch: number,
  window: Window,
  targetGradient: Float32Array,
  targetShape: MapShape,
  weight: Float32Array,
  sourceGradient: Float32Array,
  sourceShape: MapShape,
): void {
  const { stride } = window;
  const [channels, height, width] = sourceShape;
  const [filters, rows, columns] = targetShape;
  const taps = tapsOf(window, sourceShape, targetShape);
  const plane = new Float64Array(height * width);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      plane.fill(0);
      for (let f = 0; f < filters; f++)
        taps.forEach(({ rows: [y0, y1], columns: [x0, x1], shift }, tap) => {
          const w = weight[(f * channels + c) * taps.length + tap]!;
          for (let y = y0; y < y1; y++) {
            const to = y * stride * width + shift;
            const from = ((n * filters + f) * rows + y) * columns;
            for (let x = x0; x < x1; x++) plane[to + x * stride]! += w * targetGradient[from + x]!;
          }
        });
      sourceGradient.set(plane, (n * channels + c) * height * width);
    }
}

/** ∂/∂weight, added to `weightGradient`. */
export function convBackwardWeight(
  batch: number,
  window: Window,
  source: Float32Array,
  sourceShape: MapShape,
  targetGradient: Float32Array,
  targetShape: MapShape,
  weightGradient: Float32Array,
): void {
  const { stride } = window;
  const [channels, height, width] = sourceShape;
  const [filters, rows, columns] = targetShape;
  const taps = tapsOf(window, sourceShape, targetShape);
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
export interface NormMoments {
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** Moments of each channel over each of `groups` consecutive parts of the batch: [groups × channels]. */
export function normMoments(
  batch: number,
  groups: number,
  source: Float32Array,
  [channels, height, width]: MapShape,
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
  batch: number,
  groups: number,
  source: Float32Array,
  [channels, height, width]: MapShape,
  moments: NormMoments,
  scale: Float32Array,
  shift: Float32Array,
  epsilon: number,
  relu: boolean,
  target: Float32Array,
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

/**
 * Gradient of `normForward`. `target` is its output (the ReLU's mask). With `batchStatistics` the moments depend on
 * the source and their gradient is part of the result; otherwise they are constants.
 */
export function normBackward(
  batch: number,
  groups: number,
  source: Float32Array,
  [channels, height, width]: MapShape,
  moments: NormMoments,
  scale: Float32Array,
  epsilon: number,
  relu: boolean,
  target: Float32Array,
  targetGradient: Float32Array,
  sourceGradient: Float32Array,
  scaleGradient: Float32Array,
  shiftGradient: Float32Array,
  batchStatistics: boolean,
): void {
  const area = height * width;
  const part = batch / groups;
  for (let g = 0; g < groups; g++)
    for (let c = 0; c < channels; c++) {
      const m = g * channels + c;
      const mean = moments.mean[m]!;
      const inverse = 1 / Math.sqrt(moments.variance[m]! + epsilon);
      let sum = 0;
      let dot = 0;
      for (let n = g * part; n < (g + 1) * part; n++)
        for (let i = 0, at = (n * channels + c) * area; i < area; i++) {
          if (relu && target[at + i]! <= 0) continue;
          sum += targetGradient[at + i]!;
          dot += targetGradient[at + i]! * (source[at + i]! - mean) * inverse;
        }
      scaleGradient[c]! += dot;
      shiftGradient[c]! += sum;
      const count = part * area;
      for (let n = g * part; n < (g + 1) * part; n++)
        for (let i = 0, at = (n * channels + c) * area; i < area; i++) {
          const incoming = relu && target[at + i]! <= 0 ? 0 : targetGradient[at + i]!;
          const centred = batchStatistics
            ? incoming - sum / count - ((source[at + i]! - mean) * inverse * dot) / count
            : incoming;
          sourceGradient[at + i] = centred * scale[c]! * inverse;
        }
    }
}

/** Window maxima and, in `argmax`, where in the input plane each was found (first of equals). */
export function maxPoolForward(
  batch: number,
  window: Window,
  source: Float32Array,
  [channels, height, width]: MapShape,
  target: Float32Array,
  argmax: Int32Array,
  [, rows, columns]: MapShape,
): void {
  const { kernel, stride, padding } = window;
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

export function maxPoolBackward(
  batch: number,
  targetGradient: Float32Array,
  argmax: Int32Array,
  [channels, rows, columns]: MapShape,
  sourceGradient: Float32Array,
  [, height, width]: MapShape,
): void {
  sourceGradient.fill(0);
  for (let plane = 0; plane < batch * channels; plane++)
    for (let i = 0; i < rows * columns; i++) {
      const at = plane * rows * columns + i;
      if (argmax[at]! >= 0) sourceGradient[plane * height * width + argmax[at]!]! += targetGradient[at]!;
    }
}

export function averagePoolForward(
  batch: number,
  source: Float32Array,
  [channels, height, width]: MapShape,
  target: Float32Array,
): void {
  const area = height * width;
  for (let plane = 0; plane < batch * channels; plane++) {
    let sum = 0;
    for (let i = 0; i < area; i++) sum += source[plane * area + i]!;
    target[plane] = sum / area;
  }
}

export function averagePoolBackward(
  batch: number,
  targetGradient: Float32Array,
  [channels, height, width]: MapShape,
  sourceGradient: Float32Array,
): void {
  const area = height * width;
  for (let plane = 0; plane < batch * channels; plane++)
    sourceGradient.fill(targetGradient[plane]! / area, plane * area, (plane + 1) * area);
}

/** y = x·Wᵀ + b, x [batch, inputs], W [features, inputs]. */
export function linearForward(
  batch: number,
  inputs: number,
  features: number,
  source: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  target: Float32Array,
): void {
  for (let n = 0; n < batch; n++)
    for (let f = 0; f < features; f++) {
      let sum = bias[f]!;
      for (let i = 0; i < inputs; i++) sum += source[n * inputs + i]! * weight[f * inputs + i]!;
      target[n * features + f] = sum;
    }
}

export function linearBackward(
  batch: number,
  inputs: number,
  features: number,
  source: Float32Array,
  weight: Float32Array,
  targetGradient: Float32Array,
  sourceGradient: Float32Array,
  weightGradient: Float32Array,
  biasGradient: Float32Array,
): void {
  for (let n = 0; n < batch; n++)
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let f = 0; f < features; f++) sum += targetGradient[n * features + f]! * weight[f * inputs + i]!;
      sourceGradient[n * inputs + i] = sum;
    }
  for (let f = 0; f < features; f++) {
    let biasSum = 0;
    for (let n = 0; n < batch; n++) biasSum += targetGradient[n * features + f]!;
    biasGradient[f]! += biasSum;
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let n = 0; n < batch; n++) sum += targetGradient[n * features + f]! * source[n * inputs + i]!;
      weightGradient[f * inputs + i]! += sum;
    }
  }
}
