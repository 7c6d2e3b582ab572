/**
 * A folder as models are published for timm on the Hugging Face hub: weights, and a `config.json` that names their architecture
 * and how images are made for them. It has a file of the name that a run's configuration has, and is no run.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { dataError, messageOf } from '../base/errors.ts';
import { readBounded } from '../base/read-bounded.ts';
import { frameViewSchema, type ViewConfig } from '../views/config.ts';

/** Files of such a folder: timm and the hub ask for these names. */
export const PUBLISHED_FILES = {
  config: 'config.json',
  weights: 'model.safetensors',
  card: 'README.md',
} as const;

/** Files of weights, the likeliest first. */
const WEIGHTS = [PUBLISHED_FILES.weights, 'pytorch_model.bin'] as const;

/** That of a classifier of 21,000 classes has two million bytes. */
const LONGEST_CONFIG = 2 ** 24;

const viewShape = frameViewSchema.unwrap().shape;
const perChannel = z.array(z.number()).min(1).max(3);
const imagesSchema = z.looseObject({
  input_size: z.tuple([z.int(), viewShape.size.unwrap(), viewShape.size.unwrap()]).optional(),
  mean: perChannel.optional(),
  std: perChannel.optional(),
});
/** Folders of earlier versions of timm have everything at the top. */
const configSchema = z.looseObject({
  architecture: z.string(),
  pretrained_cfg: imagesSchema.optional(),
  ...imagesSchema.shape,
});

/** What a folder says of the images of its weights. */
export interface PublishedView {
  readonly size?: number;
  readonly normalise?: ViewConfig['normalise'];
}

/** The file of weights in the published folder `folder`; null where it is none. */
export function publishedWeights(folder: string): string | null {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return null;
  const path = WEIGHTS.map((name) => join(folder, name)).find((one) => existsSync(one));
  return path !== undefined && namesArchitecture(folder) ? path : null;
}

/**
 * What is said of the images of the weights at `path`, a file in a published folder; nothing of any other file. Error:
 * `PUBLISHED_CONFIG` for a folder whose configuration cannot be used.
 */
export function publishedView(path: string): PublishedView {
  const folder = dirname(path);
  if (!WEIGHTS.some((name) => name === basename(path)) || !namesArchitecture(folder)) return {};
  try {
    const { pretrained_cfg: own, ...top } = configSchema.parse(JSON.parse(configText(folder)));
    const { input_size: size, mean, std } = own ?? top;
    return {
      // A view is a square.
      ...(size === undefined || size[1] !== size[2] ? {} : { size: size[1] }),
      ...(mean === undefined || std === undefined
        ? {}
        : { normalise: { mean: valueOf(mean), std: valueOf(std) } }),
    };
  } catch (cause) {
    const where = join(folder, PUBLISHED_FILES.config);
    throw dataError(
      'PUBLISHED_CONFIG',
      `${where} does not say how images are made: ${cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause)}.`,
      'Correct it, or give the file of weights under another name: then nothing is taken from beside it.',
      { where, cause },
    );
  }
}

/** One number where all channels have the same. */
function valueOf(values: readonly number[]): number | readonly [number, number, number] {
  const [first, second, third] = values as readonly [number, number?, number?];
  if (values.every((value) => value === first)) return first;
  if (second === undefined || third === undefined) throw new Error('it has values of two channels');
  return [first, second, third];
}

function namesArchitecture(folder: string): boolean {
  if (!existsSync(join(folder, PUBLISHED_FILES.config))) return false;
  try {
    return z.looseObject({ architecture: z.string() }).safeParse(JSON.parse(configText(folder))).success;
  } catch {
    // No JSON, or no file: whoever wants a run there says so.
    return false;
  }
}

function configText(folder: string): string {
  const path = join(folder, PUBLISHED_FILES.config);
  const refuse = (reason: string) =>
    dataError(
      'FILE_UNREADABLE',
      `Cannot read ${path}: ${reason}.`,
      'Check the path and your rights to read it.',
      {
        where: path,
      },
    );
  return readBounded(path, LONGEST_CONFIG, refuse).toString('utf8');
}
