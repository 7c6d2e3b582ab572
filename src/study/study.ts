/**
 * Runs a study: job after job in the grid's order, what is done skipped, what fails recorded and passed over. It may be
 * stopped anywhere and started again, also beside another process on the same folders, and on another machine that has
 * the results. Ranks that a launcher started are such processes; the first of them speaks for all. The table and the page are
 * made anew at the end of every call.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { usageError, UsclError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import { openBackend } from '../engine/open.ts';
import type { Ranks } from '../engine/ranks/communicator.ts';
import { meet, openTogether } from '../engine/ranks/meeting.ts';
import { readsLabels } from '../runs/config.ts';
import { revision } from '../runs/environment.ts';
import { fairThreads, requireSame, requireSameFolder } from '../runs/ranks/agreement.ts';
import { clearCrew, prepareCrew } from '../runs/ranks/crew.ts';
import { asRank } from '../runs/ranks/job.ts';
import { Claims } from './claims.ts';
import { StudyClock } from './clock.ts';
import { openData } from './data.ts';
import { type AllWeights, findWeights } from './given-weights.ts';
import { type DataHashes, type Job, jobsOf, pretrainConfig, pretrainingOf } from './grid.ts';
import { doJob, madeSince } from './jobs.ts';
import { studyPage } from './report.ts';
import { type ResultRecord, Results, type WeightsRecord } from './results.ts';
import { crewFolder, StudyCrew, type StudyMessage } from './study-crew.ts';
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
  /** Whether a signal ended it, perhaps another process's. */
  readonly stopped: boolean;
  readonly summary: Summary;
  /** The page, the table as text, the outcome for a later study. */
  readonly files: { readonly page: string; readonly table: string; readonly ranking: string };
}

/**
 * Runs the study in the file at `path`. Errors: `STUDY_FILE`, `STUDY_DATA`, `STUDY_LEAK`, `STUDY_CHANGED`, `STUDY_PLAN`,
 * `STUDY_COMMIT`, `STUDY_DAMAGED`, those of configurations; those of jobs where not the job is to blame but the machine
 * (`DISK_FULL`, …).
 */
export function runStudy(path: string, options: StudyOptions): Promise<StudyOutcome> {
  return asRank(undefined, 'study', (ranks) => openTogether(ranks, () => runStudyAs(ranks, path, options)));
}

async function runStudyAs(ranks: Ranks, path: string, options: StudyOptions): Promise<StudyOutcome> {
  const { data, out, work, signal: own } = options;
  const tell = (ranks.rank === 0 ? options.onEvent : undefined) ?? (() => undefined);
  const study = readStudy(path, (folder, count) => bestOf(join(folder, RANKING_FILE), count));
  requireRecipes(study, options.only ?? []);
  meet(ranks);
  requireSameStudy(ranks, study, options);
  // From here on the folders may be written.
  guardWrites(work, () => mkdirSync(work, { recursive: true }));
  const claims = new Claims(work);
  const opened = await openData(study, { data, work, claims, ...(own === undefined ? {} : { signal: own }) });
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
  requireMade(study, jobs, results, options);
  meet(ranks);
  requireSame(
    ranks,
    'set of jobs (is the data the same?)',
    JSON.stringify(jobs.map(({ name, key }) => [name, key])),
  );
  const done = jobs.filter(({ name }) => results.has(name));
  const failed = jobs.filter(({ name }) => results.hasFailed(name));
  tell({
    kind: 'start',
    jobs: jobs.length,
    done: done.length,
    failed: failed.length,
    refused: refusals.size,
  });
  const folder = crewFolder(ranks, work);
  if (ranks.rank === 0) {
    prepareCrew(folder, ranks);
    if (options.retry === true) for (const { name } of failed) results.forgetFailure(name);
  }
  // The number of threads is that of the process: it is chosen before the first job.
  const threads = fairThreads(ranks, options.threads ?? null, null);
  using _backend = openBackend({ threads });
  meet(ranks);

  const wanted = jobs.filter(({ variant }) => options.only?.includes(variant.recipe.name) ?? true);
  const clock = new StudyClock(wanted, results);
  const byName = new Map(wanted.map((job) => [job.name, job]));
  /** Jobs under way, and how far they are; by process. */
  const running = new Map<number, readonly [Job, number]>();
  let working = ranks.size;
  using crew = new StudyCrew({
    ...{ ranks, folder, signal: own, hear },
    ended: (rank) => {
      running.delete(rank);
      working -= 1;
    },
    note: (text) => {
      tell({ kind: 'note', text });
    },
  });
  const { signal } = crew;
  const shop = {
    ...{ study, data: opened, results, weights, work, threads: options.threads ?? null, signal },
    share: ranks.size === 1 ? undefined : (threads ?? undefined),
  };
  const isStopped = (): boolean => signal.aborted;
  if (ranks.size > 1) tell({ kind: 'note', text: sharedRemark(ranks, wanted, results, threads) });
  await crew.work(options.reportOnly === true ? () => Promise.resolve() : workThrough);
  meet(ranks);

  const summary = summarise(
    study,
    jobs,
    [...refusals].map(([job, reason]) => ({ job, reason })),
    results,
  );
  const files = filesIn(out);
  if (ranks.rank === 0) {
    clearCrew(folder);
    writeOutcome(summary, opened, files);
  }
  meet(ranks);
  const complete = summary.jobs.done === summary.jobs.total;
  return { complete, stopped: isStopped(), summary, files };

  async function workThrough(): Promise<void> {
    let waiting: readonly Job[] = wanted;
    let told: string | undefined;
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
      const { name } = waiting[0]!;
      if (name !== told) tell({ kind: 'waiting', job: name });
      told = name;
      await claims.pause(signal);
    }
  }

  /** Of this process and of the others. */
  function hear(message: StudyMessage, rank: number): void {
    const job = byName.get(message.job);
    if (message.kind === 'share') {
      if (job !== undefined) running.set(rank, [job, message.share]);
    } else {
      running.delete(rank);
      clock.look();
      tell(message);
    }
    if (message.kind === 'failed') return;
    const note = message.kind === 'share' ? message.note : '';
    tell({ kind: 'progress', ...clock.at(new Map(running.values()), working), job: message.job, note });
  }

  async function attempt(job: Job): Promise<void> {
    const began = { time: performance.now(), cpu: process.cpuUsage() };
    try {
      const record: ResultRecord = await doJob(job, {
        ...shop,
        onProgress: (share, note) => {
          crew.tellShare(job.name, share, note);
        },
      });
      results.keep(record);
      crew.tell({ kind: 'done', job: job.name, seconds: record.made.seconds });
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
      crew.tell({ kind: 'failed', job: job.name, code, message });
    }
  }
}

/** All ranks work on the same study, in the same folders. Error: `RANKS_DIFFER`. */
function requireSameStudy(ranks: Ranks, { path, ...content }: Study, options: StudyOptions): void {
  if (ranks.size === 1) return;
  const { out, work, only, retry, mixedCommits, reportOnly, threads } = options;
  // It stands in every result; a checkout without git does not know it.
  requireSame(ranks, 'commit of the program (is git on all machines?)', revision() ?? '');
  requireSame(ranks, 'study', JSON.stringify(content), { shown: path });
  requireSameFolder(ranks, 'output folder (--out)', out);
  requireSameFolder(ranks, 'work folder (--work)', work);
  requireSame(ranks, 'set of options', JSON.stringify([only, retry, mixedCommits, reportOnly, threads]));
}

/** How several processes share what is left. */
function sharedRemark(
  { size }: Ranks,
  wanted: readonly Job[],
  results: Results,
  threads: number | null,
): string {
  const left = wanted.filter((job) => !isSettled(job, results)).length;
  return (
    `${size} processes share ${left} jobs; each process has ${threads ?? 'all'} ${threads === 1 ? 'thread' : 'threads'}.` +
    (left < size ? ' Some of them have nothing to do.' : '')
  );
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
function requireMade(study: Study, jobs: readonly Job[], results: Results, options: StudyOptions): void {
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

function filesIn(out: string): StudyOutcome['files'] {
  return {
    page: join(out, 'report.html'),
    table: join(out, 'table.txt'),
    ranking: join(out, RANKING_FILE),
  };
}

function writeOutcome(
  summary: Summary,
  data: Awaited<ReturnType<typeof openData>>,
  files: StudyOutcome['files'],
): void {
  writeFileAtomic(files.page, [studyPage(summary, data)]);
  writeFileAtomic(files.table, [studyTable(summary)]);
  writeFileAtomic(files.ranking, [`${JSON.stringify(rankingOf(summary), null, 2)}\n`]);
}
