/** The result of a probe as a few lines of text. */
import { RESEARCH_USE } from '../base/research-use.ts';
import { textTable } from '../base/text-table.ts';
import { mean } from '../base/collect.ts';
import { balancedAccuracyByChance } from '../evaluation/scores/metrics.ts';
import type { ReaderResult, ScoreSummary } from '../evaluation/probes/probe-result.ts';
import type { RunProbe } from './probe-run.ts';

/** Scores of the pretrained backbone beside those of the random ones, and what the difference is worth. */
export function probeTable(probe: RunProbe): string {
  const { pretrained, random, differences } = probe;
  const { data, settings } = pretrained;
  const chance = balancedAccuracyByChance(data.perClass.map(({ clips }) => clips));
  const rows = (['linear', 'knn'] as const).flatMap((reader) =>
    (['clip', 'frame'] as const).map((level) => {
      const difference = mean(differences.map((one) => one[reader][level].balancedAccuracy.mean));
      const cells = [
        `${reader === 'knn' ? 'kNN' : reader}, ${level}`,
        scores(pretrained[reader], level),
        random.length === 0
          ? '–'
          : averageScores(
              random.map(({ result }) => result[reader]),
              level,
            ),
        random.length === 0 ? '–' : signed(difference),
      ];
      return cells;
    }),
  );
  const header = ['', 'pretrained', 'random init', 'difference'];
  const intervals = differences.map((one, i) => {
    const { mean: gain, interval } = one.linear.clip.balancedAccuracy;
    return `  against random init ${random[i]?.seed ?? i}: ${signed(gain)} (${signed(interval[0])} to ${signed(interval[1])})`;
  });
  return [
    `${data.clips} labelled clips of ${data.groups} groups, ${data.perClass.map(({ name, clips }) => `${name} ${clips}`).join(', ')}`,
    `balanced accuracy (accuracy, macro-F1), ${foldingText(probe)}; chance is ${chance.toFixed(3)}`,
    ...textTable([header, ...rows]),
    ...(intervals.length === 0
      ? []
      : [
          `linear probe, clips: gain with its ${Math.round(100 * settings.confidence)} % interval over groups`,
          ...intervals,
        ]),
    ...joinedLines(probe),
    ...probe.leaks.map((leak) => `warning: leak allowed: ${leak}`),
    ...overlapLines(probe),
    RESEARCH_USE,
  ].join('\n');
}

function foldingText({ split, pretrained: { settings } }: RunProbe): string {
  if (split === null) return `mean over ${settings.seeds} foldings of ${settings.folds}`;
  return settings.folds === 1
    ? `test of the split ${split}`
    : `the ${settings.folds} folds of the split ${split}`;
}

function joinedLines({ joined }: RunProbe): string[] {
  if (joined.length === 0) return [];
  const groups = joined.map((names) => names.slice(0, 4).join(' + ') + (names.length > 4 ? ' + …' : ''));
  return [
    `note: groups that share pictures were kept on one side (perhaps one patient; see uscl audit): ${groups.slice(0, 5).join('; ')}${groups.length > 5 ? '; …' : ''}`,
  ];
}

function overlapLines({ overlap, pretrained }: RunProbe): string[] {
  if (overlap === null || overlap.seen === 0) return [];
  const { clips } = pretrained.data;
  const labels =
    overlap.labelsSeen === 0
      ? 'none of their labels'
      : `the labels of ${overlap.labelsSeen}: these scores are no test of generalisation`;
  return [`note: pretraining has seen ${overlap.seen} of these ${clips} clips and ${labels}.`];
}

function scores(reader: ReaderResult, level: 'clip' | 'frame'): string {
  const { balancedAccuracy, accuracy, macroF1 } = reader[level];
  const deviation = balancedAccuracy.sd === null ? '' : ` ±${balancedAccuracy.sd.toFixed(3)}`;
  return `${show(balancedAccuracy)}${deviation} (${show(accuracy)}, ${show(macroF1)})`;
}

function averageScores(readers: readonly ReaderResult[], level: 'clip' | 'frame'): string {
  const average = (name: 'balancedAccuracy' | 'accuracy' | 'macroF1'): string =>
    mean(readers.map((reader) => reader[level][name].mean)).toFixed(3);
  return `${average('balancedAccuracy')} (${average('accuracy')}, ${average('macroF1')})`;
}

function show(score: ScoreSummary): string {
  return score.mean.toFixed(3);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}
