/**
 * Writes a run as a folder that timm and the Hugging Face hub take: `model.safetensors`, `config.json`, and a model card. The
 * configuration comes last, so that a folder that was not written to its end is none.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { usageError } from '../../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../../base/files.ts';
import { type NamedTensor, writeSafetensors } from '../../formats/safetensors.ts';
import { PUBLISHED_FILES } from '../../runs/published-folder.ts';
import { isUnfinished, requireOurs } from '../../runs/run-folder.ts';
import { type CardFacts, modelCard } from './card.ts';
import { timmConfig } from './timm-config.ts';

/** The width that timm's ResNets have. */
const TIMM_WIDTH = 64;

/**
 * Refuses a folder that holds anything else than such a model, or one that is not to be replaced. What git and the hub keep in a
 * clone (`.git`, `.gitattributes`) may be there. Errors: `OUTPUT_NOT_OURS`, `OUTPUT_EXISTS`.
 */
export function requireFreeFolder(out: string, overwrite: boolean): void {
  const ours: readonly string[] = Object.values(PUBLISHED_FILES);
  const found = requireOurs(
    out,
    'a model',
    (name) => ours.includes(name) || name.startsWith('.git') || isUnfinished(name),
  );
  const first = found.find((name) => ours.includes(name));
  if (first === undefined || overwrite) return;
  throw usageError(
    'OUTPUT_EXISTS',
    `There is already a model in ${out}: it holds ${first}.`,
    'Say --overwrite to replace it, or choose another folder.',
    { where: out },
  );
}

/** Refuses a network that timm has no name for. Error: `EXPORT_WIDTH`. */
export function requireTimmWidth(path: string, backbone: string, width: number): void {
  if (width === TIMM_WIDTH) return;
  throw usageError(
    'EXPORT_WIDTH',
    `The network in ${path} is a ${backbone} of width ${width}; those of timm have a width of ${TIMM_WIDTH}.`,
    'Export it as safetensors, torch or onnx.',
    { where: path },
  );
}

/** Writes the folder. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export function writeFolder(
  out: string,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
  facts: CardFacts,
): void {
  const at = (part: keyof typeof PUBLISHED_FILES): string => join(out, PUBLISHED_FILES[part]);
  guardWrites(at('config'), () => {
    rmSync(at('config'), { force: true });
  });
  writeSafetensors(at('weights'), tensors, metadata);
  writeFileAtomic(at('card'), [modelCard(facts)]);
  writeFileAtomic(at('config'), [`${JSON.stringify(timmConfig(facts), null, 2)}\n`]);
}
