/** Colour to grey and back, on interleaved 8-bit pixels. */

/** Weights of red, green and blue in the luma of ITU-R BT.601; the one truth of what is grey of colour. */
export const LUMA = [0.299, 0.587, 0.114] as const;
const [RED, GREEN, BLUE] = LUMA.map((weight) => Math.round(weight * 0x10000)) as [number, number, number];

/** target[i] ← luma of pixel i of [pixels, 3] (BT.601, rounded to nearest, the same bits as Pillow's). */
export function writeLuma(colour: Uint8Array, pixels: number, target: Uint8Array): void {
  for (let i = 0, p = 0; i < pixels; i++, p += 3) {
    const luma =
      Math.imul(colour[p]!, RED) + Math.imul(colour[p + 1]!, GREEN) + Math.imul(colour[p + 2]!, BLUE);
    target[i] = (luma + 0x8000) >> 16;
  }
}

/** A frame [height, width, from] as [height, width, to]: luma of colour, grey three times. */
export function withChannels(frame: Uint8Array, from: 1 | 3, to: 1 | 3): Uint8Array {
  if (from === to) return frame;
  const pixels = frame.length / from;
  const converted = new Uint8Array(pixels * to);
  if (to === 1) writeLuma(frame, pixels, converted);
  else for (let i = 0; i < pixels; i++) converted.fill(frame[i]!, 3 * i, 3 * i + 3);
  return converted;
}
