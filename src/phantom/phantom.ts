/**
 * `makePhantom`: a labelled dataset of simulated lung clips, so that everything runs with no download. Clips belong
 * to simulated patients (the groups); a patient has one probe and one set of machine settings, and clips of more than
 * one class, as real examination points do. Same options, same bytes.
 */
import { setImmediate } from 'node:timers/promises';
import { usageError } from '../base/errors.ts';
import { randomAt } from '../base/random.ts';
import type { Manifest } from '../dataset/types.ts';
import { createDataset } from '../curation/create-dataset.ts';
import { drawClip } from './findings.ts';
import { drawPatient, PHANTOM_FPS } from './nuisance.ts';
import { PHANTOM_CLASSES, type PhantomClass } from './parameters.ts';
import { simulateClip } from './simulate.ts';

/** How many simulated clips are made, and of what. */
export interface PhantomOptions {
  /** Folder of the dataset to make. */
  readonly out: string;
  /** Number of clips (96). */
  readonly clips?: number;
  /** Frames a clip, at 10 frames a second (24). */
  readonly framesPerClip?: number;
  /** Side of the square frames in pixels, 32–512 (96). */
  readonly size?: number;
  /** Classes to simulate (all three: a-lines, b-lines, consolidation). */
  readonly classes?: readonly string[];
  /** Any non-negative integer (0). Other seeds are other patients, so train and test sets differ in the seed. */
  readonly seed?: number;
  /** Number of simulated patients (a quarter of the clips, at least one for each class). */
  readonly patients?: number;
  readonly overwrite?: boolean;
  /** Called after each clip. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  /** Stops between clips; nothing is left behind and the signal's reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Which patient and class each clip is of. */
export interface ClipPlan {
  readonly id: string;
  readonly patient: number;
  readonly label: PhantomClass;
}

/**
 * Simulates a dataset and writes it to `out`; resolves to its manifest. Errors (`UsclError`, usage): `PHANTOM_OPTION`
 * for a value out of range, `PHANTOM_CLASS` for a class that does not exist; and those of `createDataset`.
 */
export async function makePhantom(options: PhantomOptions): Promise<Manifest> {
  const plan = checkOptions(options);
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  using writer = createDataset(
    options.out,
    {
      name: 'phantom',
      licence: 'CC0-1.0',
      citation: null,
      homepage: null,
      classes: [...plan.classes],
      channels: 1,
      size: plan.size,
      made: { by: 'uscl phantom', ...plan },
    },
    { overwrite: options.overwrite ?? false },
  );
  const clips = planClips(plan.classes, plan.clips, plan.patients, plan.seed);
  onProgress?.(0, clips.length);
  for (const [index, clip] of clips.entries()) {
    // Lets signal handlers and timers run between clips: the simulation itself never waits.
    await setImmediate();
    signal?.throwIfAborted();
    const parameters = drawClip({
      seed: plan.seed,
      id: clip.id,
      patient: drawPatient(plan.seed, clip.patient),
      label: clip.label,
      frames: plan.framesPerClip,
      size: plan.size,
    });
    const { size, framesPerClip: frames } = plan;
    await writer.addClip(
      {
        id: clip.id,
        group: patientName(clip.patient),
        label: clip.label,
        source: `simulated/${clip.id}`,
        sourceSha256: null,
        width: size,
        height: size,
        fps: frames === 1 ? null : PHANTOM_FPS,
        original: { width: size, height: size, fps: frames === 1 ? null : PHANTOM_FPS, frames },
        crop: null,
        dropped: { black: 0, blank: 0, duplicate: 0 },
        flags: frames === 1 ? ['still'] : [],
      },
      simulateClip(parameters),
    );
    onProgress?.(index + 1, clips.length, clip.id);
  }
  return writer.finish();
}

/**
 * Deals clips to patients, as evenly as the numbers allow: every class gets ⌊clips / classes⌋ or one more, every
 * patient ⌊clips / patients⌋ or one more. Half of a patient's clips are of one class (which class, is drawn), the
 * others of the rest, so patient and class are entangled but neither gives the other away.
 */
export function planClips(
  classes: readonly PhantomClass[],
  clips: number,
  patients: number,
  seed: number,
): ClipPlan[] {
  const random = randomAt(seed, 'phantom-deal');
  const left = new Map(classes.map((name, i) => [name, Math.floor((clips + i) / classes.length)]));
  const plan: ClipPlan[] = [];
  for (let patient = 0; patient < patients; patient++) {
    const count = Math.floor((clips + patient) / patients);
    const own = new Map(classes.map((name) => [name, 0]));
    // Shuffled first, so that ties are broken by chance.
    const main = mostLeft(random.shuffled(classes), left);
    for (let i = 0; i < count; i++) {
      const others = random.shuffled(classes.filter((name) => name !== main));
      const wanted = i < Math.ceil(count / 2) || others.length === 0 ? main : mostLeft(others, left);
      const label = (left.get(wanted) ?? 0) > 0 ? wanted : mostLeft(random.shuffled(classes), left);
      left.set(label, (left.get(label) ?? 0) - 1);
      own.set(label, (own.get(label) ?? 0) + 1);
      plan.push({ id: `${patientName(patient)}-${label}-${own.get(label) ?? 0}`, patient, label });
    }
  }
  return plan;
}

function mostLeft(names: readonly PhantomClass[], left: ReadonlyMap<PhantomClass, number>): PhantomClass {
  return names.reduce((best, name) => ((left.get(name) ?? 0) > (left.get(best) ?? 0) ? name : best));
}

function patientName(index: number): string {
  return `patient-${String(index + 1).padStart(3, '0')}`;
}

function checkOptions(options: PhantomOptions) {
  const classes = checkClasses(options.classes ?? PHANTOM_CLASSES);
  const clips = checkInteger('clips', options.clips ?? 96, classes.length, 100_000);
  const framesPerClip = checkInteger('framesPerClip', options.framesPerClip ?? 24, 1, 10_000);
  const size = checkInteger('size', options.size ?? 96, 32, 512);
  const seed = checkInteger('seed', options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER);
  const usual = Math.min(clips, Math.max(classes.length, Math.round(clips / 4)));
  const patients = checkInteger('patients', options.patients ?? usual, 1, clips);
  return { clips, framesPerClip, size, classes, seed, patients };
}

function checkInteger(name: string, value: number, lowest: number, highest: number): number {
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw usageError(
    'PHANTOM_OPTION',
    `The phantom's ${name} cannot be ${value}.`,
    `Give a whole number from ${lowest} to ${highest}.`,
    { where: name },
  );
}

function checkClasses(names: readonly string[]): PhantomClass[] {
  const known: readonly string[] = PHANTOM_CLASSES;
  const unknown = names.find((name) => !known.includes(name));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (unknown === undefined && twice === undefined && names.length > 0)
    return PHANTOM_CLASSES.filter((name) => names.includes(name));
  const complaint =
    unknown !== undefined
      ? `The phantom has no class ${JSON.stringify(unknown)}.`
      : twice !== undefined
        ? `The class ${JSON.stringify(twice)} is asked for twice.`
        : 'The phantom needs at least one class.';
  throw usageError('PHANTOM_CLASS', complaint, `Choose among ${PHANTOM_CLASSES.join(', ')}.`, {
    where: 'classes',
  });
}
