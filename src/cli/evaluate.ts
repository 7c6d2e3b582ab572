/** `uscl evaluate RUN DATASET`. */
import { Command } from 'commander';
import {
  checkResultFolder,
  evaluateRun,
  type EvaluateRunOptions,
  writeResultFolder,
} from '../evaluate/evaluate.ts';
import { evaluationText } from '../evaluate/table.ts';
import { framesOption, withAction, withDraws, withMachine } from './command.ts';

interface Options extends EvaluateRunOptions {
  readonly out?: string;
  readonly overwrite?: boolean;
}

export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .summary('a fine-tuned model on a dataset that it has not seen')
    .description(
      'Predicts the labelled clips of DATASET by the final model of RUN and scores them, with intervals over groups. ' +
        'Refuses clips whose labels the model or its pretraining was given.',
    )
    .argument('<run>', 'folder of a finished uscl finetune, or a safetensors file that it wrote')
    .argument('<dataset>', 'labelled dataset')
    .option('--map <file>', 'YAML or CSV: which of its classes is which of the model’s, or drop')
    .option('--out <folder>', 'write evaluation.json, predictions.json and metrics.json')
    .option('--overwrite', 'replace the evaluation in --out')
    .addOption(framesOption())
    .option('--allow-leaks', 'score clips that were seen with their labels too; the result says so')
    .addHelpText(
      'after',
      `
Examples:
  uscl evaluate runs/lung other-hospital
  uscl evaluate runs/lung other-hospital --map classes.yaml --out results/other-hospital

classes.yaml:
  classes:
    normal: regular         # theirs: ours
    viral: pneumonia
    unclear: drop           # clips of this class are not scored
  merge:                    # optional: ours brought together, for datasets with coarser labels
    abnormal: [covid, pneumonia]`,
    );
  return withAction(
    withMachine(withDraws(command)),
    async (output, signal, run: string, dataset: string, options: Options) => {
      const { out, overwrite = false } = options;
      if (out !== undefined) checkResultFolder(out, overwrite);
      const { result, predictions } = await output.during('evaluate', 'frames', (watch) =>
        evaluateRun(run, dataset, { ...options, ...watch, signal }),
      );
      if (out !== undefined) writeResultFolder(out, result, predictions, overwrite);
      output.tell(result, evaluationText(result));
      if (out !== undefined) output.print(`evaluation: ${out}`);
    },
  );
}
