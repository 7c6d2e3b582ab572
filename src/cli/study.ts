/** `uscl study STUDY.yaml`. */
import { Command } from 'commander';
import { dirname, join } from 'node:path';
import { defined } from '../base/collect.ts';
import { UsclError } from '../base/errors.ts';
import { runStudy, type StudyEvent, type StudyOptions, type StudyOutcome } from '../study/study.ts';
import { studyTable } from '../study/table.ts';
import { collect, Stopped, whole, withAction } from './command.ts';
import { duration, type Progress } from './output.ts';
import { useMethods, withMethodFile } from './training.ts';

interface Options {
  readonly data: string;
  readonly out?: string;
  readonly work: string;
  readonly only: readonly string[];
  readonly weights: readonly string[];
  readonly retry?: boolean;
  readonly mixedCommits?: boolean;
  readonly reportOnly?: boolean;
  readonly threads?: number;
  readonly method: readonly string[];
}

export function studyCommand(): Command {
  const command = new Command('study')
    .summary('many recipes, seeds and targets as one job: a table with intervals, and a page')
    .description(
      'Pretrains every recipe of STUDY with every seed, judges it on every target by probes and fine-tuning, and compares all ' +
        'with the controls: differences with intervals over pretrainings and patients, pooled over targets, corrected for their ' +
        'number. What is done is skipped; what fails is recorded, and the rest goes on.',
    )
    .argument('<study>', 'YAML file (docs/studies.md)')
    .requiredOption('--data <folder>', 'folder that holds the datasets by the names in the file')
    .requiredOption('--work <folder>', 'folder for weights and unfinished folds; may be large')
    .option(
      '--out <folder>',
      'folder for results, table and page (default: beside the file, by the name of the study)',
    )
    .option('--only <recipe>', 'do only the jobs of this recipe; repeatable', collect, [])
    .option(
      '--weights <name=file>',
      'weights for a recipe that takes them from a file; repeatable',
      collect,
      [],
    )
    .option('--retry', 'do failed jobs once more')
    .option(
      '--mixed-commits',
      'go on with results that another commit of the program made; the page names all',
    )
    .option('--report-only', 'make table and page of what is done, and no job')
    .addOption(whole('--threads <number>', 'threads of the kernels (default: all processors)', 1, 1024))
    .addHelpText(
      'after',
      `
What happens: all recipes with the first seed, then all with the second, so that a full table is there early. Ctrl-C saves
and stops; the same command goes on. Several processes may work on one study: each job is done by one of them. On another
machine, copy --out and start again: finished jobs are not done twice.

Left in --out: jobs/ (a small file for each result: numbers, no names of clips or patients, no frames, no weights), targets/,
failed/, table.txt, report.html.

Examples:
  uscl study studies/screen.yaml --data datasets --work work
  uscl study studies/confirm.yaml --data datasets --work work --only random --only uscl-paper
  uscl study studies/screen.yaml --data datasets --work work --report-only
  uscl study mine.yaml --data datasets --work work --weights imagenet=resnet18.pth
  mpirun -n 4 uscl study studies/screen.yaml --data datasets --work work   four processes share the jobs
  nice uscl study studies/screen.yaml --data datasets --work work --threads 1`,
    );
  return withAction(
    withMethodFile(command),
    async (output, signal, path: string, options: Options) => {
      await useMethods(options.method);
      const { data, work, only, weights, retry, mixedCommits, reportOnly, threads } = options;
      const settings: StudyOptions = {
        ...{ data, work, weights, signal },
        out: options.out ?? join(dirname(path), path.replace(/^.*\//, '').replace(/\.[^.]*$/, '')),
        ...(only.length === 0 ? {} : { only }),
        ...defined({ retry, mixedCommits, reportOnly, threads }),
      };
      const running = (_: unknown, progress: Progress): Promise<StudyOutcome> =>
        runStudy(path, {
          ...settings,
          onEvent: (event) => {
            showEvent(event, progress);
          },
        });
      const outcome = await output.during('study', 'jobs', running, true);
      const { failed } = outcome.summary.jobs;
      const { stopped } = outcome;
      const isWhole = failed.length === 0 && !stopped;
      if (isWhole) output.result(resultOf(outcome));
      output.print(
        `${studyTable(outcome.summary)}\ntable: ${outcome.files.table}\npage: ${outcome.files.page}`,
      );
      if (failed.length > 0 && !stopped)
        throw new UsclError({
          ...{ kind: 'data', code: 'STUDY_FAILED', facts: { study: resultOf(outcome) } },
          message: `${failed.length} of ${outcome.summary.jobs.total} jobs failed, first ${failed[0]!.job}: ${failed[0]!.error.message}`,
          where: join(settings.out, 'failed'),
          remedy: `${failed[0]!.error.remedy} Then say --retry. Everything else is done and kept.`,
        });
      if (stopped) throw new Stopped('Stopped; what was done is saved. The same command goes on from there.');
    },
    'several',
  );
}

function resultOf({
  complete,
  summary: { rows, jobs, refused, targets, made },
  files,
}: StudyOutcome): unknown {
  return {
    ...{ complete, files, refused, targets, made },
    jobs: { ...jobs, failed: jobs.failed.map(({ job, error }) => ({ job, ...error })) },
    rows: rows.map(({ variant, isControl, cells, endpoint, compared, cost, shortcut }) => ({
      ...{
        recipe: variant.recipe.name,
        set: variant.set,
        isControl,
        endpoint,
        cost,
        shortcut,
        cells,
        compared,
      },
    })),
  };
}

function showEvent(event: StudyEvent, progress: Progress): void {
  switch (event.kind) {
    case 'start':
      progress.say(
        `${event.jobs} jobs, ${event.done} done, ${event.failed} failed${event.refused === 0 ? '' : `, ${event.refused} that would be no test`}`,
      );
      return;
    case 'progress': {
      const left = event.secondsLeft === null ? '' : `, ${duration(event.secondsLeft)} left for all`;
      progress.update(Number(event.done.toFixed(2)), event.total, `${event.job} ${event.note}${left}`);
      return;
    }
    case 'done':
      progress.say(`done: ${event.job} in ${duration(event.seconds)}`);
      return;
    case 'failed':
      progress.say(`failed: ${event.job}: ${event.code}: ${event.message} Recorded; the study goes on.`);
      return;
    case 'waiting':
      progress.say(`waiting: ${event.job} is being done by another process`);
      return;
    case 'note':
      progress.say(`note: ${event.text}`);
  }
}
