/**
 * Where the time of an image goes: the stages of a view, one after another over a batch, in microseconds of processor time; and
 * what a loader's thread adds, which is a message a batch. Frames lie in a dataset on disk (in the system's cache), grey.
 */
import { createDataset } from '../src/curation/create-dataset.ts';
import { openDataset } from '../src/dataset/reader.ts';
import type { AugmentConfig, FrameViewConfig, ImageConfig } from '../src/views/config.ts';
import { frameViewSchema } from '../src/views/config.ts';
import { drawAugmentation } from '../src/views/draw.ts';
import { type EchoChanger, echoChanger } from '../src/views/echo-changes.ts';
import { frameRenderer } from '../src/views/frames.ts';
import { FrameLoader } from '../src/views/loaders.ts';
import { createPlacer, placementOf } from '../src/views/placement.ts';
import { scaleTable, writePlanes, writeTable } from '../src/views/planes.ts';
import { blurPlanes, cutHoles, paintOutside, sharpenPlanes } from '../src/views/spatial.ts';
import { fillGreyTable } from '../src/views/tone.ts';
import { simulatedFrames } from './simulated-frames.ts';

const BATCH = 32;
const FRAMES = 6;

/** Stages in their order; `whole` is the renderer itself, `thread` a loader with one thread. */
export const STAGES = [
  ...(['read', 'draw', 'place', 'echoes', 'tone', 'neighbours', 'write'] as const),
  ...(['whole', 'thread'] as const),
];
export type Stage = (typeof STAGES)[number];

/** Writes a dataset of simulated clips, grey, 256 × 256 pixels, with their fields. */
export async function storeClips(folder: string): Promise<void> {
  const source = simulatedFrames(['convex', 'linear', 'sector'], 256, 1);
  const { name, licence, citation, homepage, classes, channels, size, made } = source.manifest;
  using writer = createDataset(folder, { name, licence, citation, homepage, classes, channels, size, made });
  for (const clip of source.clips) {
    const { offset: _offset, frames: _frames, ...draft } = clip;
    const frame = source.readFrame(clip, 0);
    await writer.addClip(
      draft,
      Array.from({ length: FRAMES }, () => frame),
    );
  }
  writer.finish();
}

/** Microseconds of processor time an image, stage by stage: medians of rounds. */
export async function stagesOf(
  folder: string,
  augment: AugmentConfig,
  size: number,
  rounds: number,
): Promise<Readonly<Record<Stage, number>>> {
  using dataset = openDataset(folder);
  const view: FrameViewConfig & ImageConfig = { ...frameViewSchema.parse({ size, channels: 1 }), augment };
  const { clips } = dataset;
  const rowsOf = (epoch: number) =>
    Array.from({ length: BATCH }, (_, i) => ({ clip: i % clips.length, frame: (i + epoch) % FRAMES }));
  const largest = Math.max(...clips.map(({ width, height }) => width * height));
  const area = size * size;
  const frames = rowsOf(0).map(() => new Uint8Array(largest));
  const images = frames.map(() => ({
    ...{ pixels: new Uint8Array(area), planes: new Float32Array(area), table: new Float64Array(256) },
  }));
  const placer = createPlacer(size, 1, true);
  const change: EchoChanger = echoChanger(size);
  const [scratch, table] = [new Float32Array(area), new Float64Array(256)];
  const batch = new Float32Array(BATCH * area);
  const render = frameRenderer(dataset, view);
  const schedule = (epoch: number) => ({ epoch, index: 0, rows: rowsOf(epoch) });
  const times = Object.fromEntries(STAGES.map((stage) => [stage, [] as number[]])) as Record<Stage, number[]>;
  for (let round = 0; round <= rounds; round++) {
    const rows = rowsOf(round);
    const timed = (stage: Stage, work: (i: number) => void, calls = BATCH): void => {
      const before = process.cpuUsage();
      for (let i = 0; i < calls; i++) work(i);
      const { user, system } = process.cpuUsage(before);
      if (round > 0) times[stage].push((user + system) / BATCH);
    };
    const clipOf = (i: number) => clips[rows[i]!.clip]!;
    timed('read', (i) => dataset.readFrame(clipOf(i), rows[i]!.frame, frames[i]));
    const draw = (i: number) => drawAugmentation(view, clipOf(i), 1, round, `frame ${rows[i]!.frame}`);
    const drawn: ReturnType<typeof draw>[] = [];
    timed('draw', (i) => drawn.push(draw(i)));
    timed('place', (i) => {
      placer.place(frames[i]!, clipOf(i), drawn[i]!, images[i]!.pixels);
    });
    timed('echoes', (i) => {
      const { echoes, field, warp, bend, box } = drawn[i]!;
      if (echoes === null || field === null) return;
      const shown = warp === null || bend !== null ? null : box;
      change(images[i]!.pixels, echoes, field, placementOf(drawn[i]!, size), shown);
    });
    timed('tone', (i) => {
      fillGreyTable(images[i]!.pixels, drawn[i]!.tone, images[i]!.table);
    });
    const isFloat = (i: number): boolean => {
      const { blur, sharpen, holes, outPainting } = drawn[i]!;
      return blur !== null || sharpen !== 0 || holes.length > 0 || outPainting !== null;
    };
    timed('neighbours', (i) => {
      if (!isFloat(i)) return;
      const { blur, sharpen, holes, outPainting } = drawn[i]!;
      const { pixels, planes } = images[i]!;
      writeTable(pixels, images[i]!.table, planes, 0);
      if (blur !== null) blurPlanes(planes, size, blur.sigma, blur.kernel);
      if (sharpen !== 0) sharpenPlanes(planes, size, sharpen, scratch);
      cutHoles(planes, size, holes);
      if (outPainting !== null) paintOutside(planes, size, outPainting.windows, outPainting.noise);
    });
    timed('write', (i) => {
      const { pixels, planes } = images[i]!;
      if (isFloat(i)) writePlanes(planes, planes, 1, 0, area, 0.5, 0.25, batch, i * area);
      else {
        scaleTable(images[i]!.table, 1, 0.5, 0.25, table);
        writeTable(pixels, table, batch, i * area);
      }
    });
    timed(
      'whole',
      () => {
        render(rows, 1, round, batch);
      },
      1,
    );
  }
  // Back to back and alone: the time of a process is that of all its threads.
  await using loader = FrameLoader.open(folder, view, {
    ...{ schedule, workers: 1, ahead: 1, seed: 1, rows: BATCH, mixup: null },
  });
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage();
    await loader.next();
    const { user, system } = process.cpuUsage(before);
    if (round > 2) times.thread.push((user + system) / BATCH);
  }
  const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1]!;
  return Object.fromEntries(STAGES.map((stage) => [stage, median(times[stage])])) as Record<Stage, number>;
}
