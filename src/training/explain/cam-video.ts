/** All frames of a clip beside their heat, as a video. One scale of heat for the whole clip, so that it does not flicker. */
import { join } from 'node:path';
import type { CamPlan } from '../../evaluation/cam-plan.ts';
import type { CamVideo } from '../../evaluation/explanation.ts';
import { insideShare, resizeMap } from '../../evaluation/grad-cam.ts';
import { imageLength } from '../../views/config.ts';
import { fillWholeView } from '../../views/whole.ts';
import { CAM_FOLDER, camCaptions, camPictureSize, drawCam } from './cam-picture.ts';
import { type PooledClip, referenceTo } from './clip-pool.ts';
import { fileName } from './drawing.ts';
import { encodeVideo, type VideoFormat } from './encode-video.ts';
import type { FieldRegion } from './field-region.ts';
import type { Work } from './options.ts';
import type { Subject } from './subject.ts';

const BOX = 320;
const CAPTIONS = 4;
/** Shown so many a second where the clip does not tell. */
const DEFAULT_FPS = 5;

interface Explained {
  readonly heat: Float32Array;
  readonly probability: number;
}

/** Writes the video of class `index` in `classes`. Errors: those of `encodeVideo`, the network and `readFrame`. */
export async function camVideo(
  clip: PooledClip,
  number: number,
  chosen: number,
  region: FieldRegion | null,
  { subject, folder, options }: Work,
  plan: CamPlan,
  format: VideoFormat,
): Promise<CamVideo> {
  const name = subject.classes?.[chosen] ?? '';
  const { signal } = options;
  const { record, dataset } = clip;
  const file = `${CAM_FOLDER}/${fileName(number, record.id, `.${format}`)}`;
  const explained = explainFrames(clip, chosen, plan, subject.view, signal);
  const full = Math.max(...explained.map(({ heat }) => Math.max(...heat)));
  const size = { width: record.width, height: record.height };
  const fps = record.fps ?? DEFAULT_FPS;
  async function* frames(): AsyncGenerator<Uint8Array> {
    for (const [frame, { heat, probability }] of explained.entries()) {
      const share =
        region === null ? null : insideShare(resizeMap(heat, plan.cells, size), region.inside).heat;
      const drawn = await drawCam(
        {
          ...{ clip, region, heat, full, cells: plan.cells, frame: dataset.readFrame(record, frame) },
          captions: camCaptions(clip, {
            class: name,
            probability,
            insideShare: share,
            frame: `frame ${frame + 1} of ${record.frames}`,
          }),
        },
        BOX,
      );
      yield await drawn.raw().toBuffer();
    }
  }
  const { width, height } = camPictureSize(size, BOX, CAPTIONS);
  await encodeVideo(join(folder, file), { format, width, height, fps, signal }, frames());
  return { ...referenceTo(clip), class: name, frames: record.frames, fps, file };
}

/** Maps are a few cells a side, so those of a whole clip are held at once. */
function explainFrames(
  { record, dataset }: PooledClip,
  chosen: number,
  plan: CamPlan,
  view: Subject['view'],
  signal: AbortSignal | undefined,
): Explained[] {
  const explained: Explained[] = [];
  for (let from = 0; from < record.frames; from += plan.batch) {
    signal?.throwIfAborted();
    const count = Math.min(plan.batch, record.frames - from);
    for (let i = 0; i < count; i++)
      fillWholeView(dataset.readFrame(record, from + i), record, view, plan.input, i * imageLength(view));
    const images = plan.explain(count, (probabilities) => probabilities.map(() => chosen));
    for (const { heat, probabilities } of images)
      explained.push({ heat, probability: probabilities[chosen]! });
  }
  return explained;
}
