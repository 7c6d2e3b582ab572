/**
 * Weights of a ResNet that another tool wrote: a safetensors file, or a PyTorch checkpoint (`.pth`). Names are matched with
 * torchvision's (`models/weight-names.ts`), numbers become f32, and what is not of the network is listed.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { z } from 'zod';
import { dataError, messageOf } from '../base/errors.ts';
import { readAll } from '../base/files.ts';
import { floatsOf } from '../formats/floats.ts';
import { readSafetensors, type Tensor } from '../formats/safetensors.ts';
import { looksLikeOnnx, ONNX_START, readOnnx } from '../formats/onnx/read.ts';
import { looksLikeTorch, readTorch } from '../formats/torch/read.ts';
import { networksIn } from '../models/weight-names.ts';
import { jsonText } from '../runs/checkpoint.ts';
import { type Weights } from '../runs/named-tensors.ts';
import { publishedView } from '../runs/published-folder.ts';
import { frameViewSchema, type ViewConfig } from '../views/config.ts';

const viewShape = frameViewSchema.unwrap().shape;

/** What files of this program without a checkpoint's state say of themselves, as JSON under `uscl` in their metadata. */
const saidSchema = z.looseObject({
  version: z.literal(1),
  view: z.object({ normalise: viewShape.normalise.unwrap(), size: viewShape.size.unwrap() }).partial(),
});

const termsSchema = z.object({
  name: z.string(),
  licence: z.string().nullable(),
  citation: z.string().nullable(),
});
const learntSchema = z.object({ learntFrom: z.array(termsSchema).nullable() });

/** A set that weights have learnt from, and its terms, null where nobody has said so. */
export interface SetTerms {
  readonly name: string;
  readonly licence: string | null;
  readonly citation: string | null;
}

/** How the images of weights are made, as far as that is known. */
export interface WeightsView {
  readonly normalise?: ViewConfig['normalise'] | undefined;
  /** Side in pixels. */
  readonly size?: number | undefined;
}

/** Metadata that says so, and more. */
export function weightsMetadata(
  view: WeightsView,
  more: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  // Other tools ask for this word.
  return { format: 'pt', uscl: JSON.stringify({ version: 1, view, ...more }) };
}

/** A network that was found in a file. */
export interface ForeignWeights {
  /** By torchvision's names. */
  readonly weights: Weights;
  /** What stood before their names in the file. */
  readonly prefix: string;
  /** Prefixes of other such networks in the file. */
  readonly otherPrefixes: readonly string[];
  /** Names of tensors that are none of the network. */
  readonly ignored: readonly string[];
  readonly view: WeightsView;
  /** What the file says of what its weights have learnt from; null where it says nothing. */
  readonly learntFrom: readonly SetTerms[] | null;
}

/**
 * Reads the network of a file, that with the given prefix where there are several. How its images are made is said by itself, or by
 * the folder in which it was published. Errors: those of `readSafetensors` and `readTorch`; `PUBLISHED_CONFIG`; `WEIGHTS_UNKNOWN` where there is no such network.
 */
export async function readForeign(path: string, prefix?: string): Promise<ForeignWeights> {
  const { tensors, unread, metadata } = await readAny(path);
  const networks = networksIn(tensors.keys());
  const chosen = prefix === undefined ? networks[0] : networks.find((one) => one.prefix === prefix);
  if (chosen === undefined)
    throw unknown(
      path,
      prefix,
      networks.map((one) => one.prefix),
      [...tensors.keys()],
    );
  const weights = new Map<string, Weights extends ReadonlyMap<string, infer Value> ? Value : never>();
  // Tensors may show the same numbers; in f32 each has its own.
  let left = statSync(path).size;
  for (const [theirs, ours] of chosen.names) {
    const tensor = tensors.get(theirs)!;
    left -= tensor.data.byteLength;
    if (left < 0) throw overlapping(path);
    const data = floatsOf(tensor);
    if (data !== null) weights.set(ours, { shape: tensor.shape, data });
  }
  return {
    ...{ weights, prefix: chosen.prefix, learntFrom: learntIn(metadata) },
    view: { ...publishedView(path), ...viewIn(metadata) },
    otherPrefixes: networks.filter((one) => one !== chosen).map((one) => one.prefix),
    ignored: [...[...tensors.keys()].filter((name) => !chosen.names.has(name)), ...unread],
  };
}

function viewIn({ uscl }: Readonly<Record<string, string>>): WeightsView {
  if (uscl === undefined) return {};
  return jsonText.pipe(saidSchema).safeParse(uscl).data?.view ?? {};
}

/** In a safetensors file with the rest that it says, in an ONNX model beside it. */
function learntIn({ uscl, learntFrom }: Readonly<Record<string, string>>): readonly SetTerms[] | null {
  const own = jsonText.pipe(learntSchema).safeParse(uscl ?? '').data?.learntFrom;
  return own ?? jsonText.pipe(learntSchema.shape.learntFrom).safeParse(learntFrom ?? '').data ?? null;
}

/** Whether a file begins as one of a tool whose files are no safetensors: PyTorch or ONNX. Error: `FILE_UNREADABLE`. */
export function isForeign(path: string): boolean {
  const start = startOf(path);
  return looksLikeTorch(start) || looksLikeOnnx(start);
}

async function readAny(path: string): Promise<{
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly unread: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}> {
  const start = startOf(path);
  if (looksLikeOnnx(start)) return readOnnx(path);
  if (looksLikeTorch(start)) return { ...(await readTorch(path)), metadata: {} };
  return { ...readSafetensors(path), unread: [] };
}

function startOf(path: string): Buffer {
  const start = Buffer.alloc(ONNX_START);
  try {
    const file = openSync(path, 'r');
    try {
      return start.subarray(0, readAll(file, start, 0));
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw dataError(
      'FILE_UNREADABLE',
      `Cannot read ${path}: ${messageOf(thrown)}.`,
      'Check the path and your rights to read it.',
      { where: path, cause: thrown },
    );
  }
}

function overlapping(path: string): Error {
  return dataError(
    'WEIGHTS_UNKNOWN',
    `There is no ResNet in ${path}: tensors with its names show more numbers than the file holds.`,
    'Save the weights of the network again, each tensor with its own numbers.',
    { where: path },
  );
}

function unknown(
  path: string,
  prefix: string | undefined,
  prefixes: readonly string[],
  names: readonly string[],
): Error {
  const some = names.slice(0, 3).join(', ');
  return dataError(
    'WEIGHTS_UNKNOWN',
    prefix === undefined || prefixes.length === 0
      ? `There is no ResNet in ${path}: ${names.length === 0 ? 'it holds no tensor' : `its tensors are called ${some}${names.length > 3 ? ', …' : ''}`}.`
      : `No ResNet in ${path} has names that begin with "${prefix}".`,
    prefixes.length === 0
      ? 'Give weights of a ResNet-18, 34 or 50 with the names of torchvision, timm, Lightly or solo-learn.'
      : `Give one of these prefixes: ${prefixes.map((one) => JSON.stringify(one)).join(', ')}.`,
    { where: path },
  );
}
