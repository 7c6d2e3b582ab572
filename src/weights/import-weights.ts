/**
 * Weights of another tool as a file of this program: safetensors with torchvision's names, and how images are normalised for
 * them. What was taken, passed over and lacking is told.
 */
import { basename } from 'node:path';
import { dataError, usageError } from '../base/errors.ts';
import { requireFree } from '../base/files.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { backboneOf } from '../models/backbone.ts';
import { publishedWeights } from '../runs/published-folder.ts';
import { fileHash } from '../runs/run-folder.ts';
import { configOfWeights } from '../trainer/backbone.ts';
import { normalisationOf } from '../views/normalisations.ts';
import { readForeign, weightsMetadata, type WeightsView } from '../trainer/foreign-weights.ts';
import { tensorsOf } from '../trainer/network-tensors.ts';

/** What `importWeights` is told. */
export interface ImportOptions {
  /** What stands before the names of the network to take, where the file holds several. Default: the likeliest one. */
  readonly prefix?: string;
  /**
   * How images were normalised for these weights: `imagenet`, `0.5,0.25` (mean, deviation), or three means and three deviations.
   * Default: as the file says; else as this program does.
   */
  readonly normalise?: string;
  /** Terms that the weights are under, of their data or of who gave them. Default: as the file says. */
  readonly licence?: string;
  readonly citation?: string;
  readonly overwrite?: boolean;
}

/** What was taken from a file, and what was not. */
export interface ImportSummary {
  readonly out: string;
  readonly backbone: string;
  /** Filters of the first stage. */
  readonly width: number;
  readonly channels: 1 | 3;
  /** Null where it is not known. */
  readonly normalise: NonNullable<WeightsView['normalise']> | null;
  readonly prefix: string;
  /** Prefixes of other networks in the file. */
  readonly otherPrefixes: readonly string[];
  /** Tensors that were taken. */
  readonly used: number;
  /** Names of those that are none of the network. */
  readonly ignored: readonly string[];
}

/** End of the names of counts of batches, which no inference or training here reads. */
const COUNT = '.num_batches_tracked';

/**
 * Imports the weights at `source`, a file or a folder as timm publishes one. Errors: those of `readForeign`; `WEIGHTS_INCOMPLETE` where tensors of the network lack or
 * have other shapes; `OUTPUT_EXISTS`, `CONFIG_INVALID` for a normalisation of three channels of weights for one; `DISK_FULL`,
 * `WRITE_FAILED`.
 */
export async function importWeights(
  source: string,
  out: string,
  { prefix, normalise, licence, citation, overwrite = false }: ImportOptions = {},
): Promise<ImportSummary> {
  requireFree(out, overwrite);
  const path = publishedWeights(source) ?? source;
  const found = await readForeign(path, prefix);
  const view: WeightsView =
    normalise === undefined
      ? found.view
      : { ...found.view, normalise: normalisationOf(normalise, '--normalise') };
  const config = configOfWeights(found.weights, path);
  const { channels } = config.view;
  if (
    channels === 1 &&
    [view.normalise?.mean, view.normalise?.std].some((value) => typeof value === 'object')
  )
    throw usageError(
      'CONFIG_INVALID',
      `The normalisation "${normalise ?? 'in the file'}" is of three channels, and the weights of ${path} are for grey images.`,
      'Leave --normalise out; set view.normalise where the weights are used, if their images were made otherwise.',
      { where: '--normalise' },
    );
  const { backbone, width } = config.model;
  const tensors = tensorsOf(backboneOf(config), found.weights, (complaint) =>
    dataError(
      'WEIGHTS_INCOMPLETE',
      `The network in ${path} is no whole ${backbone}: ${complaint}.`,
      found.otherPrefixes.length === 0
        ? 'Save the whole state of such a network; variants with another stem or other blocks are not read.'
        : `Take another network of the file: --prefix with one of ${found.otherPrefixes.map((one) => JSON.stringify(one)).join(', ')}.`,
      { where: path },
    ),
  );
  const from = { file: basename(path), sha256: fileHash(path), prefix: found.prefix };
  const learntFrom =
    licence === undefined && citation === undefined
      ? found.learntFrom
      : [{ name: from.file, licence: licence ?? null, citation: citation ?? null }];
  const terms = learntFrom === null ? {} : { learntFrom };
  writeSafetensors(out, tensors, weightsMetadata(view, { from, ...terms }));
  return {
    ...{ out, backbone, width, channels },
    normalise: view.normalise ?? null,
    ...{ prefix: found.prefix, otherPrefixes: found.otherPrefixes, used: tensors.length },
    ignored: found.ignored.filter((name) => !name.endsWith(COUNT)),
  };
}
