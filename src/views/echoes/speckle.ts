/**
 * Speckle: noise that multiplies a view, with grains. It is the amplitude of a complex normal field, as the sum of many
 * echoes in a resolution cell is, so it is Rayleigh distributed (Goodman 1976): mean 1, standard deviation
 * √(4/π − 1) = 0.523. Its strength draws it towards 1. Both parts of the field are white noise through a Gaussian.
 */
import type { Random } from '../../base/random.ts';
import { filterTurned, inFours } from './filter.ts';

/** The largest grain that can be asked for, in pixels. */
export const LARGEST_GRAIN = 8;

export interface Speckle {
  /** 0: none; 1: fully developed. */
  readonly strength: number;
  /** Pixels after which the noise's correlation has fallen to 1/e. */
  readonly grain: number;
  /** The stream of the white noise. */
  readonly noise: Random;
}

/** Writes factors for the pixels of a square view, row by row. */
export type SpeckleMaker = (speckle: Speckle, factors: Float32Array) => void;

/** A maker for views of `size` pixels with buffers that live on. */
export function speckleMaker(size: number): SpeckleMaker {
  const length = inFours(size);
  const widest = length + 2 * radiusOf(LARGEST_GRAIN);
  const [real, imaginary] = [new Float32Array(widest * widest), new Float32Array(widest * widest)];
  const turned = new Float32Array(widest * length);
  const words = new Uint32Array(WORDS);
  return ({ strength, grain, noise }, factors) => {
    const weights = kernelOf(grain);
    const side = length + weights.length - 1;
    fillNoise(noise, words, real, imaginary, side * side);
    for (const part of [real, imaginary]) {
      filterTurned(part, side, length, weights, turned);
      filterTurned(turned, length, length, weights, part);
    }
    // The mean of a Rayleigh amplitude over the deviation of its parts.
    const scale = strength / Math.sqrt(Math.PI / 2);
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const at = y * length + x;
        const a = real[at]!;
        const b = imaginary[at]!;
        factors[y * size + x] = 1 - strength + scale * Math.sqrt(a * a + b * b);
      }
  };
}

/** Multiplies every plane of `pixels` by the factors, one plane long; rounded, white stays white. */
export function multiply(pixels: Uint8Array, factors: Float32Array): void {
  for (let offset = 0; offset < pixels.length; offset += factors.length)
    for (let i = 0; i < factors.length; i++) {
      const level = pixels[offset + i]! * factors[i]! + 0.5;
      pixels[offset + i] = level > 255 ? 255 : level;
    }
}

/**
 * Deviation of the Gaussian. White noise through it is correlated as exp(−d² / 4σ²), and the amplitude nearly as the
 * square of that, which is 1/e at √2 σ.
 */
function deviationOf(grain: number): number {
  return grain / Math.SQRT2;
}

/** Words of noise that are drawn at a time. */
const WORDS = 1024;

function radiusOf(grain: number): number {
  return Math.ceil(2.5 * deviationOf(grain));
}

/** A Gaussian that leaves white noise its variance. */
function kernelOf(grain: number): Float64Array {
  const radius = radiusOf(grain);
  const deviation = deviationOf(grain);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * deviation * deviation)),
  );
  const power = weights.reduce((sum, weight) => sum + weight * weight, 0);
  return weights.map((weight) => weight / Math.sqrt(power));
}

/**
 * White noise of variance 1: sums of two bytes, of which the filter makes sums of many, and those are normal. One draw
 * of 32 bits is a number of each part.
 */
function fillNoise(
  noise: Random,
  words: Uint32Array,
  real: Float32Array,
  imaginary: Float32Array,
  length: number,
): void {
  // A byte has the variance (256² − 1) / 12.
  const scale = 1 / Math.sqrt((0x100 ** 2 - 1) / 6);
  for (let from = 0; from < length; from += words.length) {
    noise.fillWords(words);
    const count = Math.min(words.length, length - from);
    for (let i = 0; i < count; i++) {
      const bits = words[i]! | 0;
      real[from + i] = ((bits & 0xff) + ((bits >>> 8) & 0xff) - 0xff) * scale;
      imaginary[from + i] = (((bits >>> 16) & 0xff) + (bits >>> 24) - 0xff) * scale;
    }
  }
}
