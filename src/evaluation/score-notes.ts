/** Why a score is not there, in words: what stands beside a null. */
import type { ClassScore, OverallScore } from './evaluation-result.ts';

const OVERALL: Readonly<Record<OverallScore, string>> = {
  accuracy: 'nothing was scored',
  balancedAccuracy: 'nothing was scored',
  macroF1: 'nothing was scored',
  kappa: 'truth and predictions are all one class',
  auroc: 'no class has rows of its own and of others',
  averagePrecision: 'no class occurs',
  ece: 'nothing was scored',
  brier: 'nothing was scored',
};

const OF_CLASS: Readonly<Record<ClassScore, string>> = {
  precision: 'no row is called this class',
  recall: 'no row has this class',
  specificity: 'no row has another class',
  f1: 'no row has this class or is called it',
  auroc: 'rows of this class and of others are needed, and one of them is missing',
  averagePrecision: 'no row has this class',
};

/** Why an overall score is not defined. */
export function reasonOf(name: OverallScore): string {
  return `not defined: ${OVERALL[name]}`;
}

/** Why a class's score is not defined. */
export function classReasonOf(name: ClassScore): string {
  return `not defined: ${OF_CLASS[name]}`;
}
