/** `uscl compare-runs A B`. */
import { Command } from 'commander';
import { comparePredictions, type CompareOptions } from '../evaluation/comparisons/compare-predictions.ts';
import { comparisonTable } from '../evaluation/comparisons/comparison-table.ts';
import { readPredictions } from '../evaluation/scores/predictions.ts';
import { whole, withAction, withDraws } from './command.ts';

export function compareRunsCommand(): Command {
  const command = new Command('compare-runs')
    .summary('two fine-tuned or evaluated runs on the same clips, with paired tests')
    .description(
      'Compares the predictions of A and B clip by clip: differences of every score with intervals from drawing whole ' +
        'groups (patients) for both alike, and McNemar’s test on clips. Differences are A − B.',
    )
    .argument('<a>', 'run folder or predictions.json')
    .argument('<b>', 'another on the same clips')
    .addOption(whole('--bins <number>', 'bins of the calibration error', 1, 1000).default(15))
    .option('--common-clips', 'compare on the clips both have tested, where they tested others too')
    .option('--mixed-protocols', 'go on although one run is honest and the other is not')
    .addHelpText(
      'after',
      `
Examples:
  uscl compare-runs runs/pretrained runs/random
  uscl compare-runs runs/pretrained runs/random --json > comparison.json
  uscl compare-runs a/predictions.json b/predictions.json --common-clips`,
    );
  return withAction(
    withDraws(command),
    async (output, signal, a: string, b: string, options: CompareOptions) => {
      const [ofA, ofB] = [readPredictions(a), readPredictions(b)];
      const comparison = await output.during('compare', 'resamples', ({ onProgress }) =>
        comparePredictions(ofA, ofB, { ...options, names: [a, b], onProgress, signal }),
      );
      output.tell(comparison, comparisonTable(comparison));
    },
  );
}
