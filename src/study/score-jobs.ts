/**
 * The jobs that judge weights: a probe of frozen features, the shortcut meter, and fine-tuning with settings that inner
 * clips choose. All leave the predicted class of every clip, so that any comparison can be made later.
 */
import { join } from 'node:path';
import { meanOrNull } from '../base/collect.ts';
import { leakFreeUnits } from '../curation/duplicates.ts';
import { openDataset } from '../dataset/reader.ts';
import type { ProbeResult } from '../evaluation/probes/probe-result.ts';
import { rankRows, scoresOfRanking } from '../evaluation/scores/ranking.ts';
import { finetune } from '../finetune/finetune.ts';
import { finishedFoldRuns, type FoldRunRecord } from '../finetune/fold-runs.ts';
import { isBetter } from '../finetune/scoring.ts';
import { RANDOM } from '../finetune/source.ts';
import { probeAlone, type ProbeLabels } from '../probe/probe-run.ts';
import { CHECKPOINTS } from '../runs/checkpoint.ts';
import { hashOf, RUN_FILES } from '../runs/run-folder.ts';
import { normaliseSettings } from '../views/normalisations.ts';
import type { StudyData } from './data.ts';
import { finetuneSettings, type Job, type JobOf, pretrainConfig, runFolder } from './grid.ts';
import { balancedAccuracy, tallyOf } from './nested.ts';
import { type Predicted, type ScoreRecord, signsOf, type TargetRecord } from './results.ts';
import { Interrupted, type JobShop, type Unmade } from './workshop.ts';

/** The weights that a job judges: those after the last step, which no score has chosen, or of a file; null for random ones. */
function weightsOf(job: Job, { work, weights }: JobShop): string | null {
  const { recipe, set } = job.variant;
  if (set === null) return weights.get(recipe.name)?.path ?? null;
  return join(work, runFolder(job), RUN_FILES.checkpoints, CHECKPOINTS.last);
}

/** Probes frozen features; of a set, for the sources of its clips. Errors: those of `probeAlone`. */
export async function probeJob(job: JobOf<'probe' | 'sources'>, shop: JobShop): Promise<Unmade<ScoreRecord>> {
  const { study, data, signal } = shop;
  const isMeter = job.kind === 'sources';
  const { folder } = (isMeter ? data.sets.get(job.set) : data.targets.get(job.target))!;
  const settings = isMeter ? METER : study.protocols.probe!;
  const labels: ProbeLabels = isMeter ? 'sources' : 'classes';
  const config = pretrainConfig(study, job.variant, job.seed);
  const file = job.variant.set === null ? shop.weights.get(job.variant.recipe.name) : undefined;
  const result = await probeAlone(weightsOf(job, shop) ?? config, folder, {
    ...settings,
    // Weights from a file are judged at the size of all others.
    ...(file === undefined ? {} : { view: { size: config.view.size, normalise: file.normalise } }),
    ...{ labels, checkpoint: 'last' },
    ...(shop.share === undefined ? {} : { threads: shop.share }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done, total, note = '') => {
      shop.onProgress(done / total, note);
    },
  });
  const target = isMeter ? job.set : job.target;
  const record = isMeter
    ? targetOf(`sources-of-${target}`, result.classes, result.clips)
    : keptTarget(shop, target, result.classes, result.clips);
  const readings = (['linear', 'knn'] as const).map((reader): Predicted => {
    const { clipPredictions, clipProbabilities, clip } = result[reader];
    return {
      ...{ reader, labelRate: 1, predicted: clipPredictions.map(signsOf) },
      balancedAccuracy: clip.balancedAccuracy.mean,
      auroc: meanOrNull(clipProbabilities.map((ofSeed) => areaOf(ofSeed, result.clips))),
    };
  });
  return {
    format: 'uscl-study-score',
    ...shop.head,
    ...{ kind: job.kind, target, clips: hashOf(record) },
    readings: isMeter ? readings.filter(({ reader }) => reader === 'linear') : readings,
  };
}

/** Enough to tell sources apart, which is easy. */
const METER = { folds: 3, seeds: 1, framesPerClip: 2 } as const;

/** Mean area under the ROC curve of each class against all others; null where it is not defined. */
function areaOf(
  probabilities: ProbeResult['linear']['clipProbabilities'][number],
  clips: readonly { readonly label: number }[],
): number | null {
  const classes = probabilities[0]?.length ?? 0;
  const areas = Array.from({ length: classes }, (_, c) => {
    const ranking = rankRows(
      probabilities.map((ofClip) => ofClip[c]!),
      (row) => clips[row]!.label === c,
      () => 0,
    );
    return scoresOfRanking(ranking, [1]).auroc;
  }).filter((area) => !Number.isNaN(area));
  return meanOrNull(areas);
}

/** The clips of a target, groups numbered in order of their first clip. */
function targetOf(
  name: string,
  classes: readonly string[],
  clips: readonly { readonly group: string; readonly label: number | null }[],
): TargetRecord {
  const numbers = new Map<string, number>();
  const groups = clips.map(({ group }) => {
    const number = numbers.get(group) ?? numbers.size;
    numbers.set(group, number);
    return number;
  });
  const labels = signsOf(clips.map(({ label }) => label));
  return { format: 'uscl-study-target', version: 1, name, classes: [...classes], labels, groups };
}

/** The target's record, written by the first job that meets it. */
function keptTarget(
  { results }: JobShop,
  name: string,
  classes: readonly string[],
  clips: Parameters<typeof targetOf>[2],
): TargetRecord {
  const record = targetOf(name, classes, clips);
  if (results.readTarget(name) === null) results.keepTarget(record);
  return record;
}

/** Fine-tunes with every candidate. Errors: those of `finetune`; `Interrupted`. */
export async function finetuneJob(job: JobOf<'finetune'>, shop: JobShop): Promise<Unmade<ScoreRecord>> {
  const { study, data, work } = shop;
  const protocol = study.protocols.finetune!;
  const { candidates } = protocol;
  const target = data.targets.get(job.target)!;
  const runs: { readonly name: string; readonly records: readonly FoldRunRecord[] }[] = [];
  const config = pretrainConfig(study, job.variant, job.seed);
  const size = `view.size=${config.view.size}`;
  const file = shop.weights.get(job.variant.recipe.name);
  const normalise = file?.normalise ?? null;
  const under =
    job.variant.set !== null
      ? []
      : file === undefined
        ? [`model=${JSON.stringify(shapeOf(config.model))}`, size]
        : [size, ...(normalise === null ? [] : normaliseSettings(normalise))];
  for (const [i, candidate] of candidates.entries()) {
    const run = join(work, 'finetune', job.name, candidate.name);
    const summary = await finetune({
      ...{ source: weightsOf(job, shop) ?? RANDOM, dataset: target.folder, out: run, resume: true },
      ...shop.running,
      config: {
        set: [
          ...under,
          ...finetuneSettings(protocol, job.variant.recipe, candidate, job.seed),
          ...shop.machine,
        ],
      },
      onEvent: (event) => {
        if (event.kind === 'start') shop.library.name = `${event.backend}, ${event.precision}`;
        if (event.kind === 'step')
          shop.onProgress(
            (i + event.done / event.total) / candidates.length,
            `${candidate.name}, ${event.imagesPerSecond.toFixed(0)} images/s`,
          );
      },
    });
    if (!summary.complete) throw new Interrupted();
    runs.push({ name: candidate.name, records: finishedFoldRuns(run) });
  }
  const labelled = clipsOf(target);
  const record = keptTarget(shop, job.target, labelled.classes, labelled.clips);
  return {
    format: 'uscl-study-score',
    ...shop.head,
    ...{ kind: 'finetune', target: job.target, clips: hashOf(record) },
    readings: protocol.labelRates.map((labelRate) => readingOf(labelRate, runs, labelled.clips, record)),
  };
}

function shapeOf({
  backbone,
  width,
  normMomentum,
}: {
  backbone: string;
  width: number;
  normMomentum: number;
}): unknown {
  return { backbone, width, normMomentum };
}

interface Labelled {
  readonly classes: readonly string[];
  /** Labelled clips of classes that occur, with their number in the dataset. */
  readonly clips: readonly { readonly index: number; readonly group: string; readonly label: number }[];
}

/** The labelled clips in the order and with the groups that a probe has. */
function clipsOf({ folder }: StudyData): Labelled {
  using dataset = openDataset(folder);
  const { unitOf } = leakFreeUnits(dataset.clips);
  const occurring = dataset.manifest.classes.filter((name) =>
    dataset.clips.some(({ label }) => label === name),
  );
  const clips = dataset.clips.flatMap(({ label }, index) =>
    label === null ? [] : [{ index, group: unitOf[index]!, label: occurring.indexOf(label) }],
  );
  return { classes: occurring, clips };
}

/** Of each fold, the predictions of the candidate that its inner clips chose. */
function readingOf(
  labelRate: number,
  runs: readonly { readonly name: string; readonly records: readonly FoldRunRecord[] }[],
  clips: Labelled['clips'],
  target: TargetRecord,
): Predicted {
  const folds = runs[0]!.records.filter((record) => record.fold !== null && record.labelRate === labelRate);
  const chosen: Record<string, number> = Object.fromEntries(runs.map(({ name }) => [name, 0]));
  const said = new Map<number, readonly number[]>();
  for (const { fold } of folds) {
    const candidates = runs.map(({ name, records }) => ({
      name,
      record: records.find((one) => one.fold === fold && one.labelRate === labelRate)!,
    }));
    const best = candidates.reduce((a, b) => (isChosen(b.record, a.record) ? b : a));
    chosen[best.name]! += 1;
    for (const { clip, probabilities } of best.record.rows)
      said.set(
        clip,
        probabilities[0]!.map(
          (_, c) => probabilities.reduce((sum, p) => sum + p[c]!, 0) / probabilities.length,
        ),
      );
  }
  const tested = clips.filter(({ index }) => said.has(index));
  const call = (index: number): number | null => {
    const shares = said.get(index);
    return shares === undefined ? null : shares.indexOf(Math.max(...shares));
  };
  const predicted = [signsOf(clips.map(({ index }) => call(index)))];
  return {
    ...{ reader: 'finetune', labelRate, predicted },
    balancedAccuracy: balancedAccuracy(tallyOf(target, [predicted])),
    auroc: areaOf(
      tested.map(({ index }) => [...said.get(index)!]),
      tested,
    ),
    chosen,
  };
}

/** Whether inner clips prefer a candidate; without inner clips the first stays. */
function isChosen(one: FoldRunRecord, than: FoldRunRecord): boolean {
  if (one.score === null || than.score === null) return false;
  return isBetter(one.score, than.score, one.chosenOn);
}
