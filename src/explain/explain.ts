/**
 * What a network sees, in one folder: where the evidence for its answers lies (Grad-CAM), which clips it finds alike
 * (map, nearest neighbours). Numbers are always complete; pictures of clips are made only of those that were asked for.
 */
import { join } from 'node:path';
import { defined } from '../base/collect.ts';
import { dataError, usageError, type UsclError } from '../base/errors.ts';
import { openBackend } from '../engine/open.ts';
import { CamPlan } from '../evaluation/explanations/grad-cam.ts';
import { clipMeans, type ClipEmbeddings, embedDataset } from '../evaluation/features/embeddings.ts';
import {
  type Explanation,
  EXPLANATION_FOLDER,
  type NeighbourExplanation,
  RESEARCH_ONLY,
} from '../evaluation/explanations/explanation.ts';
import { settleMapOptions } from '../evaluation/explanations/embedding-map.ts';
import { comparableRows } from '../evaluation/explanations/retrieval.ts';
import { fillWholeView } from '../views/whole.ts';
import { embedderOf } from '../trainer/backbone.ts';
import { overlapWith } from '../runs/provenance.ts';
import { datasetHash, isRun } from '../runs/run-folder.ts';
import { choosePictures, explainCam } from './cam.ts';
import {
  defaultParts,
  defaultQueries,
  findClip,
  frameSource,
  type PooledClip,
  poolClips,
} from './clip-pool.ts';
import { explainMap } from './map.ts';
import { explainNeighbours } from './neighbours.ts';
import { openData, openSubject } from './opened-data.ts';
import { type ExplainOptions, targetChooser, type Work } from './options.ts';
import { openFolder, PARTS, type Part, writeExplanation } from './out-folder.ts';

export interface Explained extends Explanation {
  readonly folder: string;
}

const MOST_FRAMES = 64;
/** Images at a time for Grad-CAM. */
const CAM_BATCH = 16;

/**
 * Explains and writes the parts that are asked for; where none is, all that these weights and clips allow. Errors:
 * `EXPLAIN_OPTION`, `EXPLAIN_NOTHING`, `DATA_MIXED`, `CLIP_UNKNOWN`, `CAM_…`, `MAP_…`,
 * `NEIGHBOURS_NONE`, `EXPLANATION_EXISTS`, `OUTPUT_NOT_OURS`; those of `openModel`, `readBackbone`, `openDataset`; the
 * signal's reason when aborted. What was there before stays until the inputs have been read.
 */
export async function explain(given: ExplainOptions): Promise<Explained> {
  const { source, overwrite = false, onNote, signal } = given;
  signal?.throwIfAborted();
  const framesPerClip = requireFrames(given.framesPerClip ?? 4);
  const folder = outFolder(given);
  using backend = openBackend({
    ...{ kind: given.backend, device: given.device, threads: given.threads },
    onFallback: onNote,
  });
  using subject = await openSubject(source, backend, given.checkpoint);
  if (given.cam !== undefined && subject.classes === null) throw noClasses(source);
  using opened = await openData(given.data, subject, folder, given);
  const { datasets } = opened;
  const pool = poolClips(datasets);
  const options = PARTS.some((part) => given[part] !== undefined)
    ? given
    : { ...given, ...defaultParts(pool, subject.classes, (text) => onNote?.(text)) };
  const parts = PARTS.filter((part) => options[part] !== undefined);
  if (parts.length === 0) throw nothingToExplain();
  // Everything that can be wrong with what was asked for, before anything is removed.
  const wanted = {
    drawn: drawnClips(pool, options.cam),
    queries: queriesIn(pool, options.neighbours),
  };
  if (options.map !== undefined) settleMapOptions(pool.length, options.map);
  if (options.cam !== undefined)
    targetChooser({ target: options.cam.target ?? 'predicted', classes: subject.classes ?? [], pool });
  const about = {
    weights: subject.weights,
    data: datasets.map((dataset) => ({
      name: dataset.manifest.name,
      hash: datasetHash(dataset),
      clips: dataset.clips.length,
      seen: overlapWith(source, dataset)?.seen ?? null,
    })),
    framesPerClip,
  };
  const work: Work = { options, backend, subject, pool, framesPerClip, folder, wanted };
  using plan = options.cam === undefined ? null : camPlan(work);
  const kept = openFolder(folder, about, parts, overwrite);
  const result: Explanation = {
    ...{ format: 'uscl-explanation', version: 1, ...about },
    cam: kept?.cam ?? null,
    map: kept?.map ?? null,
    neighbours: kept?.neighbours ?? [],
    notice: RESEARCH_ONLY,
    ...(await explainParts(work, parts, plan)),
  };
  writeExplanation(folder, result);
  return { ...result, folder };
}

function camPlan({ backend, subject, options, framesPerClip }: Work): CamPlan {
  const layer = options.cam?.layer;
  return new CamPlan(backend, subject.network, subject.parameters, {
    ...defined({ layer }),
    batch: Math.max(CAM_BATCH, framesPerClip),
    precision: options.precision ?? 'f32',
  });
}

async function explainParts(
  work: Work,
  parts: readonly Part[],
  plan: CamPlan | null,
): Promise<Partial<Pick<Explanation, Part>>> {
  const { options, backend, subject, pool, framesPerClip } = work;
  const { signal, onProgress } = options;
  const result: { -readonly [Key in Part]?: Explanation[Key] } = {};
  if (plan !== null) result.cam = await explainCam(work, plan);
  if (!parts.includes('map') && !parts.includes('neighbours')) return result;
  const { network, parameters, view } = subject;
  const precision = options.precision ?? 'f32';
  using features = backend.compile(network, parameters, { batch: 32, mode: 'infer', precision });
  const embeddings = await embedDataset(frameSource(pool), embedderOf(features), {
    framesPerClip,
    ...defined({ signal }),
    onProgress: (done, total) => onProgress?.(done, total, 'features'),
    fillView: (frame, clip, target, offset) => {
      fillWholeView(frame, clip, view, target, offset);
    },
  });
  if (options.map !== undefined) result.map = await explainMap(work, embeddings);
  if (options.neighbours !== undefined) result.neighbours = await neighbours(work, embeddings);
  return result;
}

async function neighbours(work: Work, embeddings: ClipEmbeddings): Promise<NeighbourExplanation[]> {
  const { options, pool, wanted } = work;
  const rows = comparableRows(clipMeans(embeddings, pool.length), embeddings.dim);
  const answers: NeighbourExplanation[] = [];
  for (const query of wanted.queries) {
    options.signal?.throwIfAborted();
    answers.push(await explainNeighbours(work, rows, embeddings.dim, query));
  }
  return answers;
}

function drawnClips(pool: readonly PooledClip[], cam: ExplainOptions['cam']): Set<number> {
  if (cam === undefined) return new Set();
  if (cam.clips !== undefined && cam.clips.length > 0)
    return new Set(cam.clips.map((id) => findClip(pool, id)));
  return choosePictures(pool, cam.pictures ?? 24);
}

function queriesIn(pool: readonly PooledClip[], neighbours: ExplainOptions['neighbours']): number[] {
  if (neighbours === undefined) return [];
  const { clips = [] } = neighbours;
  return clips.length === 0 ? defaultQueries(pool) : clips.map((id) => findClip(pool, id));
}

function outFolder({ source, out }: ExplainOptions): string {
  if (out !== undefined) return out;
  if (isRun(source)) return join(source, EXPLANATION_FOLDER);
  throw usageError(
    'EXPLAIN_OPTION',
    'There is no run whose folder the explanation could go to.',
    'Say where it is to go: --out FOLDER.',
    { where: '--out' },
  );
}

function requireFrames(frames: number): number {
  if (Number.isInteger(frames) && frames >= 1 && frames <= MOST_FRAMES) return frames;
  throw usageError(
    'EXPLAIN_OPTION',
    `framesPerClip must be a whole number from 1 to ${MOST_FRAMES}, not ${frames}.`,
    'Use 4.',
    { where: 'framesPerClip' },
  );
}

function nothingToExplain(): UsclError {
  return dataError(
    'EXPLAIN_NOTHING',
    'Nothing can be explained: these weights know no class, and there are too few clips to compare with each other.',
    'Give a fine-tuned run, or clips of more groups.',
  );
}

function noClasses(source: string): UsclError {
  return usageError(
    'MODEL_WITHOUT_CLASSES',
    `${source} holds a backbone that was not fine-tuned: there is no class whose evidence could be shown.`,
    'Say --map or --neighbours CLIP, or fine-tune it first: uscl finetune RUN DATASET --out RUN2.',
    { where: source },
  );
}
