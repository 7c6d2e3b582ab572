/**
 * How well ultrasound fields are found in a folder of videos and stills, as a table: shape, confidence, share of the
 * picture kept, and the share of bright pixels that never change, in the whole picture and in what is kept.
 *
 *     npx tsx bench/fields.ts FOLDER > fields.csv
 */
import { messageOf } from '../src/base/errors.ts';
import { discover } from '../src/ingest/folders/discover.ts';
import { findField } from '../src/ingest/field/find.ts';
import { rasterize } from '../src/ingest/field/raster.ts';
import { openSource } from '../src/ingest/open.ts';
import type { SourceItem } from '../src/ingest/common/ingest-plan.ts';
import { findVideoTools } from '../src/video/ffmpeg.ts';

const FRAMES = 12;
/** A pixel is bright and still above this value and within this range over time. */
const BRIGHT = 40;
const STILL = 2;

const folder = process.argv[2] ?? '';
if (folder === '') throw new Error('usage: npx tsx bench/fields.ts FOLDER');
const { items } = await discover(folder, { layout: 'stills' });
const tools = await findVideoTools();
console.log('clip,frames,width,height,shape,confidence,kept,still_before,still_after,ms');
for (const item of items) {
  try {
    await judge(item);
  } catch (thrown) {
    console.error(`${item.path}: ${messageOf(thrown)}`);
  }
}

async function judge(item: SourceItem): Promise<void> {
  const source = await openSource(
    { item, label: null, group: '', flags: [] },
    { root: folder, tools, key: null, signal: undefined },
  );
  const frames: Uint8Array[] = [];
  const decoding = source.frames({ channels: 3, fps: 5 });
  while (frames.length < FRAMES) {
    const { done, value } = await decoding.next();
    if (done === true) break;
    frames.push(value);
  }
  await decoding.return(undefined);
  const before = process.cpuUsage();
  const field = findField(frames, source, 3);
  const { user, system } = process.cpuUsage(before);
  const pixels = source.width * source.height;
  const inside = field === null ? new Uint8Array(pixels).fill(1) : rasterize(field.outlines, source);
  const kept = count(inside);
  const still = frames.length < 3 ? null : stillPixels(frames, pixels);
  console.log(
    [
      JSON.stringify(item.path),
      frames.length,
      source.width,
      source.height,
      field?.shape ?? '',
      field?.confidence ?? '',
      (kept / pixels).toFixed(4),
      still === null ? '' : (count(still) / pixels).toFixed(5),
      still === null ? '' : (count(still.map((value, i) => value & inside[i]!)) / kept).toFixed(5),
      ((user + system) / 1000).toFixed(0),
    ].join(','),
  );
}

function stillPixels(frames: readonly Uint8Array[], pixels: number): Uint8Array {
  return Uint8Array.from({ length: pixels }, (_, i) => {
    let [low, high] = [255, 0];
    for (const frame of frames) {
      const value = Math.max(frame[3 * i]!, frame[3 * i + 1]!, frame[3 * i + 2]!);
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return high - low <= STILL && low > BRIGHT ? 1 : 0;
  });
}

function count(mask: Uint8Array): number {
  return mask.reduce((sum, value) => sum + value, 0);
}
