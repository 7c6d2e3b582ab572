/** Normalisations of images that a person can name, by a word or by numbers. */
import { usageError } from '../base/errors.ts';
import type { ViewConfig } from './config.ts';

type Normalise = ViewConfig['normalise'];

/** Normalisations by name. Source: torchvision's documentation of its weights. */
export const NORMALISATIONS = {
  /** Of torchvision's weights that were trained on ImageNet, and of most others. */
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const satisfies Readonly<Record<string, Normalise>>;

/** How a normalisation may be said. */
export const NORMALISATION_FORMS = `${Object.keys(NORMALISATIONS).join(', ')}, or numbers between 0 and 1: MEAN,STD or three means and three deviations`;

/**
 * The normalisation that a text says: a name, `0.5,0.25` (mean and deviation of all channels), or six numbers (means of red, green
 * and blue, then deviations). Error: `CONFIG_INVALID`, at `where`.
 */
export function normalisationOf(text: string, where: string): Normalise {
  if (Object.hasOwn(NORMALISATIONS, text))
    return structuredClone(NORMALISATIONS[text as keyof typeof NORMALISATIONS]);
  const numbers = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  const half = numbers.length / 2;
  const sound =
    (half === 1 || half === 3) &&
    numbers.every((value, i) => Number.isFinite(value) && (i < half || value > 0));
  if (!sound)
    throw usageError(
      'CONFIG_INVALID',
      `The normalisation cannot be "${text}".`,
      `Give ${NORMALISATION_FORMS}. Deviations are above 0.`,
      { where },
    );
  const [mean, std] = [numbers.slice(0, half), numbers.slice(half)];
  return half === 1
    ? { mean: mean[0]!, std: std[0]! }
    : { mean: mean as [number, number, number], std: std as [number, number, number] };
}

/** The same as settings of a configuration, `key=value`. */
export function normaliseSettings({ mean, std }: Normalise): readonly string[] {
  return [`view.normalise.mean=${JSON.stringify(mean)}`, `view.normalise.std=${JSON.stringify(std)}`];
}
