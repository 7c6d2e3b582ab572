/** What every chart needs: ranges, round ticks and coordinates. */

export type Range = readonly [low: number, high: number];

/** Smallest range that holds all values, never empty: 0 to 1 for no value, half a unit around a single one. */
export function rangeOf(values: readonly number[]): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** About `wanted` round numbers (1, 2 or 5 times a power of ten apart) that enclose the range. */
export function niceTicks([low, high]: Range, wanted: number): number[] {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** A tick as text, without the noise of binary fractions. */
export function tickText(value: number): string {
  return Number(value.toPrecision(6)).toString();
}

/** A coordinate to a tenth of a pixel. */
export function px(value: number): string {
  return value.toFixed(1);
}
