/** The pairs of an audit as a picture, for a person to judge: the two frames that look alike, side by side. */
import type { OverlayOptions } from 'sharp';
import { ACCENT, centred, fitted, lines, PALE, sheetOf, writePng } from '../charts/sheet.ts';
import type { AuditResult, SuspectedPair } from './audit.ts';
import type { Dataset } from '../dataset/reader.ts';

const GAP = 10;
const CAPTION = 48;
const HEADER = 30;
const COLUMNS = 4;
/** Pairs shown at most, leaks first. */
const MOST = 40;
/** Side of a frame's square in pixels. */
const TILE = 160;

/** Writes the sheet as PNG. `second` null as in the audit. Errors: `WRITE_FAILED`, `DISK_FULL`, those of `readFrame`. */
export async function auditSheet(
  result: AuditResult,
  first: Dataset,
  second: Dataset | null,
  path: string,
): Promise<void> {
  const pairs = result.pairs.slice(0, MOST);
  const columns = Math.max(1, Math.min(COLUMNS, pairs.length));
  const cell = { width: 2 * TILE + GAP + 2, height: TILE + CAPTION };
  const width = GAP + columns * cell.width;
  const height = HEADER + Math.max(1, Math.ceil(pairs.length / columns)) * cell.height + GAP;
  const title = `${result.suspected} suspected pairs, ${result.leaks} leaks; ${pairs.length} shown`;
  const layers: OverlayOptions[] = [];
  const texts = [lines([{ text: title }], GAP, 7, width - 2 * GAP, 13)];
  for (const [i, pair] of pairs.entries()) {
    const left = GAP + (i % columns) * cell.width;
    const top = HEADER + Math.floor(i / columns) * cell.height;
    texts.push(captions(pair, left, top, 2 * TILE));
    for (const [side, clip] of [pair.a, pair.b].entries()) {
      const dataset = side === 0 ? first : (second ?? first);
      const record = dataset.clips[clip.index]!;
      const { channels } = dataset.manifest;
      const tile = await fitted(dataset.readFrame(record, clip.frame), { ...record, channels }, TILE);
      layers.push(centred(tile, left + side * (TILE + 2), top + CAPTION - 6, TILE));
    }
  }
  await writePng(path, sheetOf({ width, height }, layers, texts));
}

function captions(
  { a, b, reasons, distance, mirrored, sameGroup }: SuspectedPair,
  x: number,
  y: number,
  width: number,
): string {
  const why = `${reasons.join(', ')}${distance === null ? '' : `, ${distance} bits`}${mirrored ? ', mirrored' : ''}${sameGroup ? ', one group' : ''}`;
  const nameOf = ({ id, label }: SuspectedPair['a']): string => `${id} (${label ?? 'no label'})`;
  const texts = [{ text: why, colour: sameGroup ? PALE : ACCENT }, { text: nameOf(a) }, { text: nameOf(b) }];
  return lines(texts, x, y, width, 11);
}
