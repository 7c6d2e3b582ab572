/** From runs to one HTML file: reads them, compares them, gathers pictures, writes the page whole or not at all. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { usageError, UsclError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import { Resources } from '../base/resources.ts';
import { type Identifying, identifying } from '../dataset/identifying.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { comparePredictions } from '../evaluation/comparisons/compare-predictions.ts';
import { packageVersion } from '../runs/environment.ts';
import { datasetHash } from '../runs/run-folder.ts';
import { mistakesOf } from './mistakes.ts';
import { type Chapter, GENERATOR, picturesIn, reportPage } from './page.ts';
import { camsOf, framesOf } from './pictures.ts';
import type { Paired } from './comparison.ts';
import { leading } from './scores.ts';
import { isScored, readSubject, type ScoredSubject, type Subject } from './subject.ts';

/** What goes into a report. */
export interface ReportOptions {
  /** Datasets of the runs: their terms are told, and frames of mistakes are shown. Default none. */
  readonly datasets?: readonly string[];
  /** Show pictures of clips at all. Default true; frames need `datasets`. */
  readonly pictures?: boolean;
  /** Mistakes shown with a frame at most. Default 12. */
  readonly mistakes?: number;
  /** Grad-CAM pictures shown at most. Default 12. */
  readonly cams?: number;
  /** Heading of the page. Default: from the names of the runs. */
  readonly title?: string;
  /** Replace a file that this program did not write. Default false. */
  readonly overwrite?: boolean;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** What a report was made of. */
export interface ReportSummary {
  readonly format: 'uscl-report';
  readonly version: 1;
  readonly path: string;
  readonly bytes: number;
  readonly runs: readonly { readonly name: string; readonly kind: Subject['kind'] }[];
  /** Pairs of runs that could not be compared, and why. */
  readonly notCompared: readonly {
    readonly run: string;
    readonly against: string;
    readonly reason: string;
  }[];
  /** Pictures of clips in the page. */
  readonly pictures: number;
  /** Names in the page or beside it that may identify patients, with examples: for the screen only. */
  readonly identifying: readonly Identifying[];
}

/**
 * Writes the report of one run or several to `out`; scored runs are compared with the first scored one.
 * Errors: `REPORT_NO_RUN`, `REPORT_UNFINISHED`, `REPORT_DATASET`, `OUTPUT_NOT_OURS`, `RUN_DAMAGED`,
 * `PREDICTIONS_INVALID`, `EXPLANATION_DAMAGED`, those of `openDataset`, `DISK_FULL`, `WRITE_FAILED`; the signal's reason
 * when aborted.
 */
export async function writeReport(
  runs: readonly string[],
  out: string,
  options: ReportOptions = {},
): Promise<ReportSummary> {
  requireOurs(out, options.overwrite ?? false);
  requireRuns(runs);
  const subjects = distinctNames(runs.map(readSubject));
  const pairs = await comparePairs(subjects.filter(isScored), options);
  const chapters = await gather(subjects, options);
  const found = identifying(subjects.flatMap(namesIn));
  const page = reportPage({
    identifying: found,
    title:
      options.title ?? (subjects.length === 1 ? subjects[0]!.name : `${subjects.length} runs side by side`),
    chapters,
    pairs,
    version: packageVersion(),
  });
  writeFileAtomic(out, [page]);
  return {
    format: 'uscl-report',
    version: 1,
    path: out,
    bytes: Buffer.byteLength(page),
    runs: subjects.map(({ name, kind }) => ({ name, kind })),
    notCompared: pairs.flatMap(({ name, against, outcome }) =>
      'refused' in outcome ? [{ run: name, against, reason: outcome.refused }] : [],
    ),
    identifying: found,
    pictures: picturesIn(chapters),
  };
}

/** Names of clips, groups and classes of a run. */
function namesIn(subject: Subject): readonly string[] {
  const clips = subject.data === null ? [] : [subject.data.name, ...subject.data.clips.map(({ id }) => id)];
  if (!isScored(subject)) return clips;
  const { predictions } = subject;
  return [...clips, ...predictions.clips.flatMap(({ id, group }) => [id, group]), ...predictions.classes];
}

async function comparePairs(
  subjects: readonly ScoredSubject[],
  { signal, onProgress }: ReportOptions,
): Promise<readonly Paired[]> {
  const [first, ...rest] = subjects;
  const pairs: Paired[] = [];
  for (const [i, subject] of rest.entries()) {
    const names = { name: subject.name, against: first!.name };
    try {
      const outcome = await comparePredictions(subject.predictions, first!.predictions, {
        names: [names.name, names.against],
        commonClips: true,
        ...(signal === undefined ? {} : { signal }),
        onProgress: (done, total) => {
          onProgress?.(Math.round((100 * (i + done / total)) / rest.length), 100, 'paired tests');
        },
      });
      pairs.push({ ...names, outcome });
    } catch (thrown) {
      // Runs on other clips or classes still stand side by side; the page says why there is no test.
      if (!(thrown instanceof UsclError) || thrown.code !== 'RUNS_DIFFER') throw thrown;
      pairs.push({ ...names, outcome: { refused: thrown.message } });
    }
  }
  return pairs;
}

async function gather(subjects: readonly Subject[], options: ReportOptions): Promise<readonly Chapter[]> {
  using open = new Resources();
  const datasets = (options.datasets ?? []).map((folder) => open.use(openDataset(folder)));
  const own = subjects.map((subject) => datasets.find((dataset) => isOf(dataset, subject)) ?? null);
  const stranger = datasets.find((dataset) => !own.includes(dataset));
  if (stranger !== undefined)
    throw usageError(
      'REPORT_DATASET',
      `The dataset ${stranger.folder} is not the one that any of these runs was made on.`,
      'Give the dataset as it was then (a new ingest can change it), or leave --dataset out.',
      { where: stranger.folder },
    );
  const chapters: Chapter[] = [];
  for (const [i, subject] of subjects.entries()) {
    options.signal?.throwIfAborted();
    chapters.push(await chapterOf(subject, own[i]!, options));
  }
  return chapters;
}

async function chapterOf(
  subject: Subject,
  dataset: Dataset | null,
  { pictures = true, mistakes: most = 12, cams = 12 }: ReportOptions,
): Promise<Chapter> {
  const mistakes = isScored(subject)
    ? mistakesOf(subject.predictions, leading(subject.evaluation).labelRate)
    : [];
  return {
    subject,
    manifest: dataset?.manifest ?? null,
    mistakes,
    pictures: {
      frames: pictures && dataset !== null ? await framesOf(dataset, mistakes.slice(0, most)) : new Map(),
      cams: pictures ? await camsOf(subject, cams) : [],
    },
  };
}

/** Whether a run was made on exactly this dataset; of an evaluation, whether its clips are these. */
function isOf(dataset: Dataset, subject: Subject): boolean {
  if (subject.data !== null) return subject.data.hash === datasetHash(dataset);
  if (!isScored(subject)) return false;
  const ids = new Set(dataset.clips.map(({ id }) => id));
  return subject.predictions.clips.every(({ id }) => ids.has(id));
}

/** Runs of one folder name in several places are numbered. */
function distinctNames(subjects: readonly Subject[]): readonly Subject[] {
  return subjects.map((subject, i) => {
    const same = subjects.filter(({ name }) => name === subject.name);
    if (same.length === 1) return subject;
    const before = subjects.slice(0, i).filter(({ name }) => name === subject.name).length;
    return { ...subject, name: `${subject.name} (${before + 1})` };
  });
}

function requireRuns(runs: readonly string[]): void {
  const twice = runs.find((run, i) => runs.findIndex((other) => resolve(other) === resolve(run)) !== i);
  if (runs.length > 0 && twice === undefined) return;
  throw new UsclError({
    kind: 'usage',
    code: 'REPORT_NO_RUN',
    message: twice === undefined ? 'No run was given.' : `The run ${twice} was given twice.`,
    ...(twice === undefined ? {} : { where: twice }),
    remedy: 'Give each run once: uscl report RUN… --out FILE.html',
  });
}

/** A report may be replaced by the next one; nothing else may. Error: `OUTPUT_NOT_OURS`. */
function requireOurs(out: string, overwrite: boolean): void {
  const found = guardWrites(out, () => statSync(out, { throwIfNoEntry: false }));
  if (found === undefined) return;
  if (found.isFile() && (overwrite || startOf(out).includes(`name="generator" content="${GENERATOR} `)))
    return;
  throw usageError(
    'OUTPUT_NOT_OURS',
    found.isFile()
      ? `Will not replace ${out}: it is no report of this program.`
      : `Will not write a report to ${out}: it is ${found.isDirectory() ? 'a folder' : 'no file'}.`,
    found.isFile()
      ? 'Choose another file, or say --overwrite.'
      : `Name a file, such as ${basename(out)}/report.html.`,
    { where: out },
  );
}

function startOf(path: string): string {
  const start = Buffer.alloc(1024);
  const file = openSync(path, 'r');
  try {
    return start.subarray(0, readSync(file, start)).toString('utf8');
  } finally {
    closeSync(file);
  }
}
