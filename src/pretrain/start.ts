/**
 * The weights that a pretraining starts from, where it is told any (`init`). They are read once: a run that has saved a
 * checkpoint goes on without them. Before that, and wherever another file is named, their content has to be what the run began with.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { dataError } from '../base/errors.ts';
import type { Config, ConfigSources } from '../runs/config.ts';
import { askedOf } from '../runs/config-layers.ts';
import { type Tree, valueAt } from '../runs/config-errors.ts';
import { changedKey, resumeChanged } from '../runs/resume.ts';
import { isRun, readConfigAs } from '../runs/run-folder.ts';
import {
  type AskedView,
  askedView,
  beganWith,
  readStart,
  type StartingWeights,
} from '../trainer/starting-weights.ts';
import { hasCheckpoint } from './resume.ts';

/**
 * The weights that the run in `out` starts from; null for random ones, and where the run goes on from a checkpoint. Errors:
 * `WEIGHTS_MISSING`, those of `readStart`; `RESUME_CHANGED` for other weights than the run began with; `RUN_DAMAGED`.
 */
export async function readInit(
  out: string,
  config: ConfigSources,
  resume: boolean,
): Promise<StartingWeights | null> {
  const given = initIn(askedOf(config));
  if (!resume || !isRun(out))
    return typeof given === 'string' ? await readThere(given, askedView(config, null)) : null;
  const saved = readConfigAs(out, SAVED);
  const wanted = given === undefined ? saved.init : given;
  if ((wanted === null) !== (saved.init === null))
    throw changedKey({ key: 'init', before: saved.init, after: wanted });
  const goesOn = hasCheckpoint(out);
  if (wanted === null || (goesOn && wanted === saved.init)) return null;
  const channels = saved.view?.channels;
  const start = await readThere(wanted, askedView(config, { run: out, channels }));
  if (start.record.sha256 !== beganWith(out).sha256)
    throw resumeChanged(
      'key init',
      `The weights at ${wanted} are not those the run was started with: their SHA-256 is another one.`,
      'Put the file back as it was, or start a new run in another folder.',
    );
  return goesOn ? null : start;
}

/** What of a saved run is asked here. */
const SAVED = z.looseObject({
  init: z.string().nullable().default(null),
  view: z.looseObject({ channels: z.number().optional() }).optional(),
});

/** `init` as it is asked for; undefined where nothing asks. What is no path is refused where the configuration is checked. */
function initIn(asked: Tree): string | null | undefined {
  const given = valueAt(asked, ['init']);
  return typeof given === 'string' || given === null ? given : undefined;
}

async function readThere(given: string, view: AskedView): Promise<StartingWeights> {
  if (existsSync(given)) return await readStart(given, view);
  throw dataError(
    'WEIGHTS_MISSING',
    `There are no weights at ${given}.`,
    'Give a run folder, a checkpoint, or a file of weights. A run that has saved no checkpoint yet needs those that it was started with.',
    { where: 'key init' },
  );
}

/** The layer of configuration that weights bring to a pretraining. Running statistics move as the method says. */
export function layerOf({ under }: StartingWeights): Pick<ConfigSources, 'under'> {
  const { normMomentum: _normMomentum, ...model } = valueAt(under, ['model']) as Config['model'];
  return { under: { ...under, model } };
}
