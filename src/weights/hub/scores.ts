/** Scores that a run has of its weights, in sentences for a model card. None is computed here. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { evaluationSchema } from '../../evaluation/scores/evaluation-result.ts';
import { probeResultSchema } from '../../evaluation/probes/probe-result.ts';
import { FINETUNE_FILES, readRunFile, RUN_FILES, taskOf } from '../../runs/run-folder.ts';

/** What is read of a probe that a run keeps. */
const probeSchema = z.looseObject({
  weights: z.looseObject({ step: z.number().nullable() }),
  dataset: z.looseObject({ name: z.string() }),
  leaks: z.array(z.string()),
  pretrained: probeResultSchema,
  random: z.array(z.looseObject({ result: probeResultSchema })),
});
const foldsSchema = z.looseObject({ leaks: z.array(z.string()) });

/** The scores of the run in `run`; of a pretraining those of the weights of this step. Error: `RUN_DAMAGED`. */
export function scoresOf(run: string, step: number | null): readonly string[] {
  return taskOf(run) === 'finetune' ? ofFolds(run) : ofProbes(run, step);
}

function ofFolds(run: string): readonly string[] {
  const path = join(run, RUN_FILES.metrics);
  if (!existsSync(path)) return [];
  const { protocol, optimistic, settings, labelRates, notes } = readRunFile(path, evaluationSchema, SAID);
  const { clipMean, clips, groups, models, labelRate } = labelRates.at(-1)!;
  const { balancedAccuracy, auroc } = clipMean.scores;
  const folds = join(run, FINETUNE_FILES.folds);
  const { leaks } = existsSync(folds) ? readRunFile(folds, foldsSchema, SAID) : { leaks: [] };
  const share = labelRate === 1 ? '' : `, with ${labelRate} of the labels`;
  return [
    `Balanced accuracy of clips ${numbered(balancedAccuracy, settings.confidence)}, mean AUROC ${numbered(auroc, settings.confidence)}: ${clips} clips of ${groups} groups (patients), ` +
      `by ${models} models that were trained like this one on other clips than they were tested on${share} (protocol ${protocol}). This one has learnt from all labelled clips and was itself tested on none.`,
    ...(optimistic ? ['These scores are too good: epochs were chosen on the tested clips.'] : []),
    ...leaks.map((leak) => `Leak: ${leak}.`),
    ...notes,
  ];
}

function ofProbes(run: string, step: number | null): readonly string[] {
  const folder = join(run, RUN_FILES.probes);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  return files.sort().flatMap((name) => {
    const { weights, dataset, leaks, pretrained, random } = readRunFile(
      join(folder, name),
      probeSchema,
      SAID,
    );
    if (weights.step !== step) return [];
    const { confidence } = pretrained.settings;
    const { clips, groups } = pretrained.data;
    const others = random.map(({ result }) => result.linear.clip.balancedAccuracy.mean);
    const beside =
      others.length === 0
        ? ''
        : `; random weights ${(others.reduce((sum, one) => sum + one, 0) / others.length).toFixed(3)}`;
    return [
      `Linear probe of frozen features on ${dataset.name} (${clips} clips of ${groups} groups): balanced accuracy of clips ` +
        `${numbered(pretrained.linear.clip.balancedAccuracy, confidence)}${beside}.`,
      ...leaks.map((leak) => `Leak: ${leak}.`),
    ];
  });
}

function numbered(
  { mean, interval }: { readonly mean: number | null; readonly interval: readonly [number, number] | null },
  confidence: number,
): string {
  if (mean === null) return 'not defined';
  if (interval === null) return mean.toFixed(3);
  const [low, high] = interval.map((end) => end.toFixed(3));
  return `${mean.toFixed(3)} (${Math.round(100 * confidence)} % interval ${low!} to ${high!})`;
}

const SAID = {
  what: 'What the run found',
  remedy: 'Restore that file from a backup, or remove it: the card then has no scores.',
};
