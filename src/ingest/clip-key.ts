/**
 * The key under which an ingest notes a clip: a digest of everything that its stored frames depend on, so that equal
 * keys mean equal frames. That is the settings, and of the source its path, length and time of last change. Label,
 * group and name are not in it; they may change while the frames stay.
 *
 * Where paths may name patients, neither they nor times go into the key, not even as a digest, because who has a list
 * of names could try them all: there it is the clip's pseudonym and its length, and for other files their content.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { systemCode } from '../base/errors.ts';
import { FORMAT_VERSION } from '../dataset/types.ts';
import type { DecodeSettings } from './clip.ts';
import type { GivenField } from './field/file.ts';
import { digestOfFile } from './common/paths.ts';
import type { PlannedClip } from './common/ingest-plan.ts';

/** To be raised with every change of what an ingest stores of the same source under the same settings. */
const PIPELINE = 5;

/** Digest of the clip's source and settings, 64 hex digits. */
export async function clipKey(
  clip: PlannedClip,
  settings: DecodeSettings,
  given: GivenField | undefined,
): Promise<string> {
  const { size, channels, fps, sampling, crop, refuseUnmasked, tools, root } = settings;
  const { item, name, masks = [], maskReading } = clip;
  const parts: unknown[] = [
    ...[PIPELINE, FORMAT_VERSION, size, channels, fps, sampling, crop, refuseUnmasked, given ?? null],
    ...[sharp.versions.vips, item.kind === 'video' || item.kind === 'dicom' ? tools?.version : null],
    item.kind,
    ...(maskReading === undefined ? [] : [maskReading]),
  ];
  const paths = [...(item.kind === 'frames' ? item.files : [item.path]), ...masks];
  for (const path of paths) {
    const absolute = join(root, path);
    const [isNamed, isByContent] = [typeof name === 'string', typeof name === 'object' && 'by' in name];
    if (isNamed) parts.push(name);
    if (isByContent || (isNamed && item.kind !== 'dicom')) {
      parts.push(await unlessGone(digestOfFile(absolute)));
      continue;
    }
    const state = await unlessGone(stat(absolute, { bigint: true }));
    const [size, changed] = [state?.size.toString(), state?.mtimeNs.toString()];
    parts.push(...(isNamed ? [size] : [path, size, changed]));
  }
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Null where the file is gone or locked since the plan was made: the decoder says so. */
async function unlessGone<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (thrown) {
    if (systemCode(thrown) === undefined) throw thrown;
    return null;
  }
}
