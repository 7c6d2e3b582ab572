/**
 * A classifier as a folder that is a page: whoever opens it in a browser classifies files with nothing but that folder, from a web
 * server or by a double click. Model and runtime are packed into scripts of text, because browsers read no other file of a
 * folder that no server serves; packing brings the text back to about the size of the files.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { z } from 'zod';
import { usageError, UsclError } from '../../base/errors.ts';
import { guardWrites, syncFolder, writeFileAtomic } from '../../base/files.ts';
import { DEFAULT_FPS, DEFAULT_SIZE } from '../../ingest/options.ts';
import { packageVersion } from '../../runs/environment.ts';
import { FINETUNING, trainedOn, UNKNOWN } from '../../runs/provenance.ts';
import { fileHash } from '../../runs/run-folder.ts';
import { readBackbone, type WhichCheckpoint } from '../../trainer/backbone.ts';
import { ABSTAIN_BELOW } from '../../trainer/opened-model.ts';
import { type ExportSummary, exportWeights } from '../export-weights.ts';
import { type LearntFrom, PAGE_GENERATOR, pageDocument } from './document.ts';
import { type PageFacts, type PartFacts, type PartName, pieceFile, TAKE_PIECE } from './facts.ts';
import { pageStyle } from './style.ts';

/** What the build leaves for pages. */
const BUILT = join(import.meta.dirname, '..', '..', '..', 'dist', 'page');

/** Bytes of a piece before they become text: three become four letters. */
const PIECE = 3 * 2 ** 20;

const runtimeSchema = z.object({ version: z.string(), bytes: z.int() });

export interface PageOptions {
  readonly checkpoint?: WhichCheckpoint;
  /** Replaces a page that was exported before. */
  readonly overwrite?: boolean;
}

/** What was written. */
export interface PageSummary extends Omit<ExportSummary, 'format'> {
  readonly format: 'web';
  /** Of all files. */
  readonly bytes: number;
}

/**
 * Writes the page of a fine-tuned model into the folder `out`, which appears whole. Errors: those of `exportWeights` with the part
 * `classifier`; `OUTPUT_EXISTS`, `OUTPUT_NOT_OURS`, `PAGE_NOT_BUILT`, `DISK_FULL`, `WRITE_FAILED`.
 */
export async function exportPage(
  source: string,
  out: string,
  { checkpoint = 'best', overwrite = false }: PageOptions = {},
): Promise<PageSummary> {
  requireOurs(out, overwrite);
  const built = readBuilt();
  const folder = resolve(out);
  const temporary = join(dirname(folder), `.${basename(folder)}.${process.pid}.tmp`);
  try {
    const model = join(temporary, 'model.onnx');
    const how = { format: 'onnx', part: 'classifier', fold: true, checkpoint } as const;
    const summary = await exportWeights(source, model, how);
    const bytes = readFileSync(model);
    rmSync(model);
    const parts = {
      runtime: writePieces(temporary, 'runtime', built.packed, built.bytes),
      model: writePieces(temporary, 'model', gzipSync(bytes), bytes.length),
    };
    await writePage(temporary, source, checkpoint, summary, parts, built);
    guardWrites(out, () => {
      syncFolder(temporary);
      rmSync(folder, { recursive: true, force: true });
      renameSync(temporary, folder);
      syncFolder(dirname(folder));
    });
    return { ...summary, format: 'web', out, bytes: sizeOf(folder) };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** The page itself, beside its parts. */
async function writePage(
  folder: string,
  source: string,
  which: WhichCheckpoint,
  { backbone, width, channels, size, classes }: ExportSummary,
  parts: PageFacts['parts'],
  { script, version, licences }: Built,
): Promise<void> {
  const { path, checkpoint } = await readBackbone(source, which);
  const learned = checkpoint?.classifier?.ingest;
  const facts: PageFacts = {
    ...{ classes: classes!, channels, abstainBelow: ABSTAIN_BELOW, parts },
    fps: learned?.fps ?? DEFAULT_FPS,
    size: learned?.size ?? DEFAULT_SIZE,
    crop: learned?.crop ?? 'auto',
  };
  const number = backbone.replace(/^resnet/, '');
  const texts = {
    title: 'Classify ultrasound clips',
    network: `ResNet-${number}${width === 64 ? '' : ` of width ${width}`}`,
    images: `${channels === 1 ? 'grey' : 'in colour'}, scaled to ${size} × ${size} pixels and normalised in the model`,
    learntFrom: learntFrom(path),
    ...{ sha256: fileHash(path), version: packageVersion(), runtime: version },
  };
  writeFileAtomic(join(folder, 'page.js'), [script]);
  writeFileAtomic(join(folder, 'page.css'), [pageStyle()]);
  writeFileAtomic(join(folder, 'licences.txt'), [licences]);
  writeFileAtomic(join(folder, 'index.html'), [pageDocument(facts, texts)]);
}

function learntFrom(path: string): readonly LearntFrom[] | null {
  const sets = trainedOn(path);
  return (
    sets?.map(({ name, by, terms }) => ({
      set: name,
      by:
        by === FINETUNING
          ? 'fine-tuned'
          : by === null || by === UNKNOWN
            ? 'what it learnt from is not known'
            : `pretrained, method ${by}`,
      licence: terms?.licence ?? null,
      citation: terms?.citation ?? null,
    })) ?? null
  );
}

/** Cuts packed bytes into scripts that hand their text to the page. */
function writePieces(folder: string, part: PartName, packed: Uint8Array, bytes: number): PartFacts {
  const pieces = Math.ceil(packed.length / PIECE);
  for (let piece = 1; piece <= pieces; piece++) {
    const some = Buffer.from(packed.subarray((piece - 1) * PIECE, piece * PIECE));
    writeFileAtomic(join(folder, pieceFile(part, piece)), [
      `${TAKE_PIECE}("${part}",${piece},"${some.toString('base64')}");\n`,
    ]);
  }
  return { pieces, bytes };
}

interface Built {
  readonly script: Uint8Array;
  readonly licences: Uint8Array;
  /** ONNX Runtime's WebAssembly, packed with gzip, and its size unpacked. */
  readonly packed: Uint8Array;
  readonly bytes: number;
  readonly version: string;
}

function readBuilt(): Built {
  const files = ['page.js', 'licences.txt', 'runtime.wasm.gz', 'runtime.json'].map((name) =>
    join(BUILT, name),
  );
  const lacking = files.find((file) => !existsSync(file));
  if (lacking !== undefined)
    throw new UsclError({
      kind: 'resource',
      code: 'PAGE_NOT_BUILT',
      message: `The parts of the page are not built: ${lacking} is missing.`,
      remedy: 'In a clone run npm run setup; elsewhere install the package again.',
      where: lacking,
    });
  const [script, licences, packed, about] = files.map((file) => readFileSync(file));
  const { version, bytes } = runtimeSchema.parse(JSON.parse(about!.toString()));
  return { script: script!, licences: licences!, packed: packed!, bytes, version };
}

/** Refuses a place where anything but a page of this program would be replaced. */
function requireOurs(out: string, overwrite: boolean): void {
  const found = statSync(out, { throwIfNoEntry: false });
  if (found === undefined || (found.isDirectory() && readdirSync(out).length === 0)) return;
  const where = { where: out };
  if (!found.isDirectory())
    throw usageError('OUTPUT_EXISTS', `There is already a file at ${out}.`, 'Choose another folder.', where);
  if (!isPage(out))
    throw usageError(
      'OUTPUT_NOT_OURS',
      `${out} holds other things than a page of this program.`,
      'Choose another folder, or one that is not there yet.',
      where,
    );
  if (!overwrite)
    throw usageError(
      'OUTPUT_EXISTS',
      `There is already a page at ${out}.`,
      'Say --overwrite to replace it, or choose another folder.',
      where,
    );
}

const OWN = ['index.html', 'licences.txt', 'page.css', 'page.js', 'parts'];

function isPage(folder: string): boolean {
  const index = join(folder, 'index.html');
  return (
    readdirSync(folder).every((name) => OWN.includes(name)) &&
    existsSync(index) &&
    readFileSync(index, 'utf8').includes(`content="${PAGE_GENERATOR} `)
  );
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}
