/** What an ingest can be told, its defaults, and the checks of what it was told. */
import { availableParallelism } from 'node:os';
import { type UsclError, usageError } from '../base/errors.ts';
import type { Sampling, UnmaskedRule } from './clip.ts';
import { readKeyFile } from './dicom/identity.ts';
import type { PictureLayout } from './folders/discover.ts';
import { readFieldFile } from './field/file.ts';
import { type RecipeName, recipeOf, type RecipeOptions } from './recipes/recipes.ts';

/**
 * Frames kept a second. Neighbours at 25 a second are nearly equal and add bytes, not views; USCL's own set was
 * sampled at about 3. Lung clips are short (2 to 4 s), and 5 a second still resolves a heart beat of up to 150 a
 * minute, so a clip has 10 to 20 distinct frames to draw triplets from.
 */
export const DEFAULT_FPS = 5;

/**
 * Stored length of the shorter side. USCL crops at least 80 % of the area and resizes to 224: √0.8 · 256 = 229, so
 * no crop is ever enlarged.
 */
export const DEFAULT_SIZE = 256;

/** How clips are read, with or without a dataset. */
export interface ReadOptions {
  /** Frames kept a second of video; 'all' keeps every frame. Default `DEFAULT_FPS`. */
  readonly fps?: number | 'all' | undefined;
  /** Stored length of the shorter side, 16 to 2048 pixels; smaller originals keep their size. Default `DEFAULT_SIZE`. */
  readonly size?: number | undefined;
  /** 1 (grey, default) or 3 (RGB). */
  readonly channels?: 1 | 3 | undefined;
  /** `auto` (default): blank outside of the ultrasound field and crop to it; `none`: keep the whole picture. */
  readonly crop?: 'auto' | 'none' | undefined;
  /** File of fields given by a person; they go before what a file declares and before what is found. */
  readonly fields?: string | undefined;
  /** Take DICOM clips without a field too, with whatever is burned into their pixels. Recorded in the manifest. */
  readonly allowUnmasked?: boolean | undefined;
  /** Refuse clips without a field whatever they come from. */
  readonly refuseUnmasked?: boolean | undefined;
  /**
   * File of at least 16 secret bytes, for pseudonyms of clips and patients that hold across datasets: of DICOM, and of
   * files and folders, whose names are then not written.
   */
  readonly keyFile?: string | undefined;
  readonly pictures?: PictureLayout | undefined;
  /** Decoders at once; default: as many as there are cores. Does not change the result. */
  readonly parallel?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface IngestOptions extends ReadOptions {
  /** Folder (or one file) to read. */
  readonly source: string;
  /** Folder to write the dataset to. */
  readonly out: string;
  /** Name in the manifest; default: the recipe's, or the source's name (`dicom` where that may name a patient). */
  readonly name?: string | undefined;
  /** CSV with the columns clip, label and optionally group. With a recipe only where it takes one. */
  readonly labels?: string | undefined;
  /** Whether frames are uniform in time (default), or as many at equal steps of motion (decodes twice). */
  readonly sampling?: Sampling | undefined;
  readonly recipe?: RecipeName | undefined;
  readonly recipeOptions?: RecipeOptions | undefined;
  /** Stop at the first source that cannot be read or is damaged, or at a label row that fits nothing. */
  readonly strict?: boolean | undefined;
  /** Replace a dataset at `out`; clips of it whose source and settings are unchanged are taken over. */
  readonly overwrite?: boolean | undefined;
  /** Take over clips that an earlier ingest to `out` left (default true). */
  readonly reuse?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number, note?: string) => void) | undefined;
}

export type CheckedOptions = ReturnType<typeof checkOptions>;

/** Errors: `INGEST_OPTION`, those of field files and key files. */
export function checkOptions(options: Omit<IngestOptions, 'source' | 'out'>) {
  const { size = DEFAULT_SIZE, channels = 1, fps = DEFAULT_FPS, parallel = availableParallelism() } = options;
  const { sampling = 'time', crop = 'auto', allowUnmasked = false, refuseUnmasked = false } = options;
  const { recipe, labels, recipeOptions = {} } = options;
  if (!Number.isInteger(size) || size < 16 || size > 2048)
    throw optionError('size', size, 'a whole number from 16 to 2048');
  if (fps !== 'all' && !(fps > 0 && fps <= 1000))
    throw optionError('fps', fps, "a number above 0 and up to 1000, or 'all'");
  if (!Number.isInteger(parallel) || parallel < 1)
    throw optionError('parallel', parallel, 'a whole number from 1');
  if (sampling === 'motion' && fps === 'all')
    throw optionError('sampling', sampling, "time, because with the rate 'all' every frame is kept");
  if (allowUnmasked && refuseUnmasked)
    throw optionError('allowUnmasked', allowUnmasked, 'left out, because unmasked clips are to be refused');
  if (recipe !== undefined && labels !== undefined && recipeOf(recipe).options.labels === undefined)
    throw optionError('labels', labels, 'left out, because the recipe brings its own labels');
  if (recipe === undefined && Object.values(recipeOptions).some((value) => value !== undefined)) {
    throw optionError('recipeOptions', JSON.stringify(recipeOptions), 'left out, because there is no recipe');
  }
  const rule: UnmaskedRule = allowUnmasked ? 'none' : refuseUnmasked ? 'all' : 'identifying';
  return {
    ...{ size, channels, fps, sampling, parallel, crop: crop === 'auto', refuseUnmasked: rule },
    fields: options.fields === undefined ? null : readFieldFile(options.fields),
    key: options.keyFile === undefined ? null : readKeyFile(options.keyFile),
  };
}

function optionError(option: string, value: unknown, expected: string): UsclError {
  const message = `The option ${option} is ${String(value)}; it must be ${expected}.`;
  return usageError('INGEST_OPTION', message, 'Correct the option and run the command again.', {
    where: option,
  });
}
