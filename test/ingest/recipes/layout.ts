/** Folders in the layout of a set, with contents that nobody decodes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { IngestPlan } from '../../../src/ingest/common/ingest-plan.ts';

/** Writes these files below `folder`, which is made where it is missing. */
export function layOut(folder: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Path, label and group of every clip. */
export const labelled = ({ clips }: IngestPlan): unknown[] =>
  clips.map(({ item, label, group }) => [item.path, label, group]);

export const reasons = ({ rejected }: IngestPlan): Record<string, string> =>
  Object.fromEntries(rejected.map(({ source, reason }) => [source, reason]));
