/** Colour to grey and back, on interleaved 8-bit pixels. */

/** target[i] ← luma of pixel i of [pixels, 3] (BT.601, rounded to nearest, the same bits as Pillow's). */
export function writeLuma(colour: Uint8Array, pixels: number, target: Uint8Array): void {
  for (let i = 0, p = 0; i < pixels; i++, p += 3) {
    const luma =
      Math.imul(colour[p]!, 19595) + Math.imul(colour[p + 1]!, 38470) + Math.imul(colour[p + 2]!, 7471);
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
