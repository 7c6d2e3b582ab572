/**
 * Sizes: from what a file declares to what the dataset stores. Pure arithmetic.
 */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pictures above this many pixels, or thinner than `MIN_SIDE`, are rejected before they are decoded. */
export const MAX_PIXELS = 64 * 2 ** 20;
const MIN_SIDE = 16;

/**
 * Stored size of a picture of square pixels: the shorter side becomes `shorter`, the aspect ratio stays, and what is
 * smaller already is kept as it is (enlarging adds bytes, not information; the views resize anyway).
 */
export function storedSize(original: Size, shorter: number): Size {
  const factor = Math.min(1, shorter / Math.min(original.width, original.height));
  return {
    width: Math.max(1, Math.round(original.width * factor)),
    height: Math.max(1, Math.round(original.height * factor)),
  };
}

/** Size as displayed: pixels made square (by changing the width), then turned by a multiple of 90°. */
export function displaySize(coded: Size, pixelAspect: number, rotationDegrees: number): Size {
  const width = Math.max(1, Math.round(coded.width * pixelAspect));
  const quarterTurns = Math.round(rotationDegrees / 90);
  return quarterTurns % 2 === 0 ? { width, height: coded.height } : { width: coded.height, height: width };
}

/** The corners of an upright rectangle, as an outline. */
export function rectangleOutline(x0: number, y0: number, x1: number, y1: number): [number, number][] {
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}

/** To two decimals, as outlines and confidences are stored. */
export function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Why a picture of this size cannot be taken, or undefined. */
export function sizeComplaint({ width, height }: Size): string | undefined {
  if (Math.min(width, height) < MIN_SIDE) return `it is only ${width}×${height} pixels`;
  if (width * height > MAX_PIXELS) return `it has ${width}×${height} pixels, more than ${MAX_PIXELS} in all`;
  return undefined;
}
