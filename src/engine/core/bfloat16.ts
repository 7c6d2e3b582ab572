/** bfloat16: the upper half of an f32, rounded to nearest even. */

/** Rounds every element to the nearest bf16 value (kept as f32). NaN stays NaN. */
export function roundToBfloat16(values: Float32Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) words[i] = roundWord(words[i]!);
}

function roundWord(word: number): number {
  if ((word & 0x7f800000) === 0x7f800000 && (word & 0x007fffff) !== 0) return word & 0xffff0000;
  return (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
}
