/** What the labels of POCUS mean, whichever table they stand in, and what a plan of it says. */
import { type PlannedClip, said } from '../plan.ts';
import type { RecipePlan } from './recipe.ts';
import { countsAsText, sorted } from './recipe.ts';

const CLASSES: Readonly<Record<string, string>> = {
  'covid-19': 'covid',
  'bacterial pneumonia': 'pneumonia',
  regular: 'regular',
};

/** The benchmark's class of a label, whatever its capitals; null for a label outside of the benchmark. */
export function classOf(label: string): string | null {
  return CLASSES[label.toLowerCase()] ?? null;
}

export function flagsOf(path: string, label: string): string[] {
  return [
    ...(label.toLowerCase() === 'viral pneumonia' ? ['viral-pneumonia'] : []),
    ...(/\/linear\//i.test(path) ? ['linear-probe'] : []),
    ...(path.includes('/label_uncertain/') ? ['label-uncertain'] : []),
  ];
}

/** What both tables come to. */
export function planOf(
  clips: readonly PlannedClip[],
  licences: ReadonlyMap<string, number>,
  others: ReadonlyMap<string, number>,
  leftOut: number,
): RecipePlan {
  return {
    licence: `per file: ${countsAsText(licences)}`,
    classes: ['covid', 'pneumonia', 'regular'],
    clips: sorted(clips),
    notes: [
      ...said(leftOut > 0, `${leftOut} stills were left out.`),
      ...said(
        others.size > 0,
        `Outside the three benchmark classes, so unlabelled: ${countsAsText(others)}.`,
      ),
    ],
  };
}
