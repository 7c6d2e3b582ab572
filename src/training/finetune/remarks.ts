/** What a person may not have meant, or should know before believing the figures: in sentences, before work begins. */
import type { Dataset } from '../../dataset/reader.ts';
import type { Overlap } from '../provenance.ts';
import type { FinetuneConfig } from './config.ts';
import { cellClips, type FoldPlan } from './folds.ts';
import type { FinetuneSource } from './source.ts';

export function remarks(
  dataset: Dataset,
  config: FinetuneConfig,
  plan: FoldPlan,
  source: FinetuneSource,
  overlap: Overlap | null,
): readonly string[] {
  const found: string[] = [];
  const unlabelled = plan.labels.filter((label) => label < 0).length - plan.leftOut;
  if (unlabelled > 0) found.push(`${unlabelled} clips have no label and take no part.`);
  if (plan.leftOut > 0) found.push(`${plan.leftOut} labelled clips are of classes that were left out.`);
  if (plan.emptyClasses.length > 0)
    found.push(`No clip has the label ${list(plan.emptyClasses)}; the network does not learn of it.`);
  if (plan.joined.length > 0)
    found.push(
      `Groups that share pictures are kept on one side (perhaps one patient; see uscl audit): ${list(plan.joined.map((groups) => list(groups, ' + ')))}.`,
    );
  if (config.protocol === 'legacy')
    found.push(
      'The legacy protocol chooses the epoch on the test clips and parts clips of a group: its figures are optimistic.',
    );
  if (source.kind === 'weights' && source.trainedOn === null)
    found.push(`It is not known what ${source.given} was trained on, so leaks cannot be looked for.`);
  if (overlap !== null && overlap.seen > 0)
    found.push(
      `Pretraining has seen ${overlap.seen} of the tested clips` +
        (overlap.labelsSeen === 0 ? ', without their labels.' : ` and labels of ${overlap.labelsSeen}.`),
    );
  if (config.split !== null && plan.foldings.length > 1)
    found.push(
      `All ${plan.foldings.length} seeds use the split ${config.split}; they differ in weights and draws.`,
    );
  if (config.protocol === 'honest') found.push(...innerRemarks(dataset, config, plan));
  return found;
}

function innerRemarks(dataset: Dataset, config: FinetuneConfig, plan: FoldPlan): readonly string[] {
  return config.labelRates.flatMap((labelRate) => {
    const keys = plan.foldings.flatMap(({ seed }) =>
      Array.from({ length: plan.folds }, (_, fold) => ({ labelRate, seed, fold })),
    );
    const without = keys.filter((key) => cellClips(plan, dataset, config, key).inner.length === 0).length;
    if (without === 0) return [];
    return [
      `At label rate ${labelRate} ${without} of ${keys.length} trainings have too few labelled groups to hold any out: ` +
        'they take the last epoch.',
    ];
  });
}

function list(items: readonly string[], separator = ', '): string {
  return items.slice(0, 5).join(separator) + (items.length > 5 ? `${separator}…` : '');
}
