/**
 * Runs a study: job after job in the grid's order, what is done skipped, what fails recorded and passed over. It may be
 * stopped anywhere and started again, also beside another process on the same folders, and on another machine that has
 * the results. The table and the page are made anew at the end of every call.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { usageError, UsclError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import { openBackend } from '../engine/open.ts';
import { readsLabels } from '../runs/config.ts';
import { revision } from '../runs/environment.ts';
import { Claims } from './claims.ts';
import { StudyClock } from './clock.ts';
import { openData } from './data.ts';
import { type AllWeights, findWeights } from './given-weights.ts';
import { type DataHashes, type Job, jobsOf, pretrainConfig, pretrainingOf } from './grid.ts';
import { doJob, madeSince } from './jobs.ts';
import { studyPage } from './report.ts';
import { type ResultRecord, Results, type WeightsRecord } from './results.ts';
import { readStudy, type Study } from './study-file.ts';
import { bestOf, RANKING_FILE, rankingOf, summarise, type Summary } from './summary.ts';
import { studyTable } from './table.ts';
import { headOf, Interrupted } from './workshop.ts';

/** How a study is run. */
export interface StudyOptions {
  /** Folder that holds the datasets by name. */
  readonly data: string;
  /** Folder for results, table and page: small files to keep. */
  readonly out: string;
  /** Folder for weights and folds: large, needed until the study is done. */
  readonly work: string;
  /** Do only jobs of these recipes. */
  readonly only?: readonly string[];
  /** Files of weights for recipes that take some: `NAME=FILE`. */
  readonly weights?: readonly string[];
  /** Do failed jobs once more. */
  readonly retry?: boolean;
  /** Go on with results that another commit of the program made. */
  readonly mixedCommits?: boolean;
  /** Make the table and the page of what is done, and no job. */
  readonly reportOnly?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: StudyEvent) => void;
}

/** What a study tells while it runs, told apart by `kind`. */
export type StudyEvent =
  | {
      readonly kind: 'start';
      readonly jobs: number;
      readonly done: number;
      readonly failed: number;
      readonly refused: number;
    }
  | {
      readonly kind: 'progress';
      /** Jobs done, the share of the running one included. */
      readonly done: number;
      readonly total: number;
      readonly job: string;
      readonly note: string;
      /** Of all jobs; null until jobs of every kind that is left have been timed. */
      readonly secondsLeft: number | null;
    }
  | { readonly kind: 'done'; readonly job: string; readonly seconds: number }
  | { readonly kind: 'failed'; readonly job: string; readonly code: string; readonly message: string }
  | { readonly kind: 'waiting'; readonly job: string }
  | { readonly kind: 'note'; readonly text: string };

/** How a study ended. */
export interface StudyOutcome {
  readonly complete: boolean;
  readonly summary: Summary;
  /** The page, the table as text, the outcome for a later study. */
  readonly files: { readonly page: string; readonly table: string; readonly ranking: string };
}

/**
 * Runs the study in the file at `path`. Errors: `STUDY_FILE`, `STUDY_DATA`, `STUDY_LEAK`, `STUDY_CHANGED`, `STUDY_PLAN`,
 * `STUDY_COMMIT`, `STUDY_DAMAGED`, those of configurations; those of jobs where not the job is to blame but the machine
 * (`DISK_FULL`, …).
 */
export async function runStudy(path: string, options: StudyOptions): Promise<StudyOutcome> {
  const { data, out, work, signal } = options;
  const tell = options.onEvent ?? (() => undefined);
  const study = readStudy(path, (folder, count) => bestOf(join(folder, RANKING_FILE), count));
  requireRecipes(study, options.only ?? []);
  guardWrites(work, () => mkdirSync(work, { recursive: true }));
  const claims = new Claims(work);
  const opened = await openData(study, { data, work, claims, ...(signal === undefined ? {} : { signal }) });
  const hashesOf = (all: typeof opened.sets): ReadonlyMap<string, string> =>
    new Map([...all].map(([name, { hash }]) => [name, hash]));
  const hashes = { sets: hashesOf(opened.sets), targets: hashesOf(opened.targets) };
  const results = new Results(out);
  const weights = await findWeights(study, options.weights ?? [], (recipe) =>
    recordedOf(recipe, study, hashes, results),
  );
  const digests = new Map(
    [...weights].flatMap(([name, { record }]) => (record === null ? [] : [[name, record.sha256] as const])),
  );
  const all = jobsOf(study, { ...hashes, weights: digests });
  const refusals = new Map(
    all.flatMap((job) => {
      const reason = notGiven(job, weights, results) ?? refusalOf(job, study, opened);
      return reason === null ? [] : [[job.name, reason] as const];
    }),
  );
  const jobs = all.filter(({ name }) => !refusals.has(name));
  requireSame(study, jobs, results, options);
  const done = jobs.filter(({ name }) => results.has(name));
  const failed = jobs.filter(({ name }) => results.hasFailed(name));
  tell({
    kind: 'start',
    jobs: jobs.length,
    done: done.length,
    failed: failed.length,
    refused: refusals.size,
  });
  if (options.retry === true) for (const { name } of failed) results.forgetFailure(name);

  // The number of threads is that of the process: it is chosen before the first job.
  using _backend = openBackend({ threads: options.threads ?? null });
  const shop = { study, data: opened, results, weights, work, threads: options.threads ?? null, signal };
  const wanted = jobs.filter(({ variant }) => options.only?.includes(variant.recipe.name) ?? true);
  const clock = new StudyClock(wanted, results);
  const isStopped = (): boolean => signal?.aborted === true;
  let waiting: readonly Job[] = options.reportOnly === true ? [] : wanted;
  while (waiting.length > 0 && !isStopped()) {
    const passed: Job[] = [];
    let progressed = false;
    for (const job of waiting) {
      if (isStopped()) break;
      if (isSettled(job, results)) continue;
      const before = pretrainingOf(job, jobs);
      if (before !== null && before !== job && !results.has(before.name)) {
        // Its weights failed, or another process makes them.
        if (!results.hasFailed(before.name)) passed.push(job);
        continue;
      }
      using claim = claims.take(job.name);
      if (claim === null) {
        passed.push(job);
        continue;
      }
      // Another process may have finished it since.
      if (isSettled(job, results)) continue;
      clock.look();
      await attempt(job);
      progressed = true;
    }
    waiting = passed;
    if (waiting.length === 0 || progressed) continue;
    tell({ kind: 'waiting', job: waiting[0]!.name });
    await claims.pause(signal);
  }

  const summary = summarise(
    study,
    jobs,
    [...refusals].map(([job, reason]) => ({ job, reason })),
    results,
  );
  const files = writeOutcome(summary, opened, out);
  return { complete: summary.jobs.done === summary.jobs.total, summary, files };

  async function attempt(job: Job): Promise<void> {
    const began = { time: performance.now(), cpu: process.cpuUsage() };
    try {
      const record: ResultRecord = await doJob(job, {
        ...shop,
        onProgress: (share, note) => {
          tell({ kind: 'progress', ...clock.at(job, share), job: job.name, note });
        },
      });
      results.keep(record);
      tell({ kind: 'done', job: job.name, seconds: record.made.seconds });
      clock.look();
      tell({ kind: 'progress', ...clock.at(job, 1), job: job.name, note: '' });
    } catch (thrown) {
      if (thrown instanceof Interrupted || isStopped()) return;
      // A full disk or a missing library is no property of a recipe: nothing may be recorded under it.
      if (!(thrown instanceof UsclError) || thrown.kind === 'resource') throw thrown;
      const { code, message, where = null, remedy } = thrown;
      results.keepFailure({
        format: 'uscl-study-failure',
        ...headOf(job, shop),
        error: { code, message, where, remedy },
        made: madeSince(began, ''),
      });
      tell({ kind: 'failed', job: job.name, code, message });
    }
  }
}

function isSettled({ name }: Job, results: Results): boolean {
  return results.has(name) || results.hasFailed(name);
}

function requireRecipes({ recipes, path }: Study, only: readonly string[]): void {
  const names = recipes.map(({ name }) => name);
  const unknown = only.find((one) => !names.includes(one));
  if (unknown === undefined) return;
  throw usageError(
    'OPTION_INVALID',
    `There is no recipe "${unknown}" in ${path}: there are ${names.join(', ')}.`,
    'Give one of those names with --only.',
    { where: '--only' },
  );
}

/** What earlier results say of the weights of a recipe; null where there are none. */
function recordedOf(
  recipe: string,
  study: Study,
  hashes: DataHashes,
  results: Results,
): WeightsRecord | null {
  const own = jobsOf(study, hashes).filter(({ variant }) => variant.recipe.name === recipe);
  for (const { name } of own) {
    const { weights } = results.read(name) ?? results.readFailure(name) ?? {};
    if (weights !== undefined) return weights;
  }
  return null;
}

/** Why a job cannot be done: the weights of its recipe are not there. Null where it can, and where it is done. */
function notGiven({ name, variant }: Job, weights: AllWeights, results: Results): string | null {
  const { recipe } = variant;
  const own = weights.get(recipe.name);
  if (own?.path !== null || results.has(name)) return null;
  return `its weights are not given (${recipe.weights ?? ''} is not there; --weights ${recipe.name}=FILE gives them)`;
}

/** Why a job would be no test; null where it is one. */
function refusalOf(
  job: Job,
  study: Study,
  { shared, sets }: Awaited<ReturnType<typeof openData>>,
): string | null {
  if (job.kind === 'sources')
    return sets.get(job.set)!.sources.length < 2
      ? `${job.set} has one source: there is nothing to tell apart`
      : null;
  if (job.kind === 'pretrain' || job.variant.set === null) return null;
  const { labelled } = shared.get(job.target)!.get(job.variant.set)!;
  if (labelled === 0 || !readsLabels(pretrainConfig(study, job.variant, job.seed))) return null;
  return `pretraining reads the labels of ${labelled} clips of ${job.target} (data.labelRate=0 reads none)`;
}

/** Refuses results that something else than this study has made. Errors: `STUDY_CHANGED`, `STUDY_PLAN`, `STUDY_COMMIT`. */
function requireSame(study: Study, jobs: readonly Job[], results: Results, options: StudyOptions): void {
  const found = jobs.flatMap((job) => {
    const record = results.read(job.name) ?? results.readFailure(job.name);
    return record === null ? [] : [{ job, record }];
  });
  const { path, plan } = study;
  const other = found.find(({ job, record }) => record.key !== job.key);
  if (other !== undefined)
    throw usageError(
      'STUDY_CHANGED',
      `The result ${other.record.job} was made with other settings or other data than ${path} has now.`,
      'Choose another folder for the changed study (--out, --work), or put the file and the data back as they were. Nothing was changed.',
      { where: join(results.folder, 'jobs', `${other.record.job}.json`) },
    );
  const planned = found.find(({ record }) => record.plan !== (plan?.sha256 ?? null));
  if (planned !== undefined)
    throw usageError(
      'STUDY_PLAN',
      `The result ${planned.record.job} was made under another plan than ${plan?.path ?? 'none'}: a registered plan does not change.`,
      'Put the plan back as it was registered, or choose another folder for a study under the new one (--out, --work).',
      { where: `${path}, plan` },
    );
  const now = revision();
  const foreign = found.find(({ record }) => record.made.revision !== now);
  if (foreign === undefined || options.mixedCommits === true || options.reportOnly === true) return;
  throw usageError(
    'STUDY_COMMIT',
    `The result ${foreign.record.job} was made by the program at ${foreign.record.made.revision ?? 'a release'}, and this is ${now ?? 'a release'}.`,
    'Check out that commit, choose another folder (--out, --work), or say --mixed-commits: the report then names all of them.',
    { where: results.folder },
  );
}

function writeOutcome(
  summary: Summary,
  data: Awaited<ReturnType<typeof openData>>,
  out: string,
): StudyOutcome['files'] {
  const files = {
    page: join(out, 'report.html'),
    table: join(out, 'table.txt'),
    ranking: join(out, RANKING_FILE),
  };
  writeFileAtomic(files.page, [studyPage(summary, data)]);
  writeFileAtomic(files.table, [studyTable(summary)]);
  writeFileAtomic(files.ranking, [`${JSON.stringify(rankingOf(summary), null, 2)}\n`]);
  return files;
}
