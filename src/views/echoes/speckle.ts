/**
 * Speckle: noise that multiplies a view, with grains. It is the amplitude of a complex normal field, as the sum of many
 * echoes in a resolution cell is, so it is Rayleigh distributed (Goodman 1976): mean 1, standard deviation
 * √(4/π − 1) = 0.523. Its strength draws it towards 1. Both parts of the field are white noise through a Gaussian.
 */
import type { Random } from '../../base/random.ts';
import { roundedUp, takeRows, workspaceOf } from '../vectors/workspace.ts';

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

/** A maker for views of `size` pixels. */
export function speckleMaker(size: number): SpeckleMaker {
  const columns = roundedUp(size, 8);
  const stride = roundedUp(size, 4);
  return ({ strength, grain, noise }, factors) => {
    const weights = kernelOf(grain);
    const margin = weights.length - 1;
    const rows = size + margin;
    // A complex number is eight bytes. White noise comes first, then its filtered rows, then what is filtered both ways.
    const weightsAt = STATE;
    const noiseAt = weightsAt + 4 * weights.length;
    const noiseLength = roundedUp(8 * rows * (columns + margin), 32);
    const middleAt = noiseAt + noiseLength;
    const outAt = middleAt + 8 * rows * columns;
    const factorsAt = outAt + 8 * size * columns;
    const { singles, ints, loops } = workspaceOf(factorsAt + 4 * size * stride);
    noise.fillWords(words);
    ints.set(words);
    singles.set(weights, weightsAt >> 2);
    loops.noise(noiseAt, noiseLength, 0, NOISE_SCALE);
    const [row, taps] = [8 * columns, 4 * weights.length];
    loops.filter(noiseAt, row + 8 * margin, middleAt, row, rows, row, weightsAt, taps, 8);
    loops.filter(middleAt, row, outAt, row, size, row, weightsAt, taps, row);
    // The mean of a Rayleigh amplitude over the deviation of its parts.
    const scale = strength / Math.sqrt(Math.PI / 2);
    loops.amplitudes(outAt, row, factorsAt, 4 * stride, size, 4 * stride, 1 - strength, scale);
    takeRows(singles, factorsAt >> 2, stride, factors, 0, size, size);
  };
}

/** Multiplies every plane of `pixels` by the factors, one plane long; rounded, white stays white. */
export function multiply(pixels: Uint8Array, factors: Float32Array): void {
  const area = factors.length;
  const length = roundedUp(area, 16);
  const { bytes, singles, loops } = workspaceOf(5 * length);
  singles.set(factors);
  for (let offset = 0; offset < pixels.length; offset += area) {
    bytes.set(pixels.subarray(offset, offset + area), 4 * length);
    loops.multiplyLevels(4 * length, 0, length);
    pixels.set(bytes.subarray(4 * length, 4 * length + area), offset);
  }
}

/**
 * Deviation of the Gaussian. White noise through it is correlated as exp(−d² / 4σ²), and the amplitude nearly as the
 * square of that, which is 1/e at √2 σ.
 */
function deviationOf(grain: number): number {
  return grain / Math.SQRT2;
}

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
 * White noise of variance 1 is sums of two bytes, of which the filter makes sums of many, and those are normal. A byte has the variance
 * (256² − 1) / 12. The bytes are those of four generators in turns, whose states are the first words of the stream.
 */
const NOISE_SCALE = 1 / Math.sqrt((0x100 ** 2 - 1) / 6);

/** Words, and bytes, of the states of four generators. */
const words = new Uint32Array(16);
const STATE = 4 * words.length;
