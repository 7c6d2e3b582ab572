/** Complaints about what an objective is given, all of them `OBJECTIVE_INVALID`. */
import { usageError, type UsclError } from '../base/errors.ts';

/** Label of a clip that has none. */
export const UNLABELLED = -1;

export function objectiveError(argument: string, complaint: string, remedy: string): UsclError {
  return usageError('OBJECTIVE_INVALID', `The objective's ${argument} ${complaint}.`, remedy, {
    where: argument,
  });
}

export function requireCount(argument: string, value: number, remedy: string): void {
  if (!Number.isInteger(value) || value < 1) throw objectiveError(argument, `is ${value}`, remedy);
}

export function requireClasses(classes: number): void {
  requireCount('classes', classes, 'Give the number of classes, at least 1.');
}

/** A temperature is a number above 0; `usual` says which are usual. */
export function requireTemperature(temperature: number, usual: string): void {
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw objectiveError('temperature', `is ${temperature}`, `Give a number above 0; ${usual}.`);
}

/** Arrays of one length; `needed` says where it comes from. */
export function requireLength(
  arrays: Readonly<Record<string, ArrayLike<number>>>,
  length: number,
  needed: string,
  remedy: string,
): void {
  for (const [name, array] of Object.entries(arrays))
    if (array.length !== length)
      throw objectiveError(name, `has ${array.length} numbers where ${needed}`, remedy);
}

/** Weights of pairs are finite and not negative, one a pair. */
export function requireWeights(weights: ArrayLike<number>, pairs: number): void {
  requireLength({ weights }, pairs, `there are ${pairs} pairs`, 'Give one number a pair.');
  const wrong = Array.from(weights).findIndex((weight) => !(weight >= 0 && weight < Infinity));
  if (wrong !== -1)
    throw objectiveError(
      `weights[${wrong}]`,
      `is ${weights[wrong]!}`,
      'Weights of pairs are finite and not negative.',
    );
}

/** Labels are classes; with `allowsNone` they may be `UNLABELLED` too. */
export function requireLabels(labels: Int32Array, classes: number, allowsNone: boolean): void {
  requireClasses(classes);
  if (labels.length === 0)
    throw objectiveError('labels', allowsNone ? 'is empty' : 'have no labelled row', 'Give one label a row.');
  const wrong = labels.findIndex(
    (label) => !(allowsNone && label === UNLABELLED) && (label < 0 || label >= classes),
  );
  if (wrong !== -1)
    throw objectiveError(
      `labels[${wrong}]`,
      `is ${labels[wrong]!}, no class of ${classes}`,
      `Labels count from 0 to ${classes - 1}; ${allowsNone ? `${UNLABELLED} means none` : 'leave rows without a label out'}.`,
    );
}
