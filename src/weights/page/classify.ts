/**
 * A file through the model, frame by frame, and what its frames say together, as `uscl predict` has it: black, blank and
 * repeated frames are left out, the answer for a clip is the mean of its frames, and below the threshold there is none.
 */
import { largestAt } from '../../evaluation/features/matrix.ts';
import { isBlack, isBlank, isSame } from '../../ingest/clean.ts';
import type { Rectangle } from '../../ingest/field/raster.ts';
import type { PageFacts } from '../web/facts.ts';
import { PageFailure } from './failure.ts';
import type { Source } from './frames.ts';
import type { Predict } from './model.ts';
import { pixelsOf, storedFrame } from './pixels.ts';

/** What was said of a frame or of a clip. */
export interface Said {
  readonly probabilities: readonly number[];
  /** Index of the likeliest class. */
  readonly likeliest: number;
  readonly confidence: number;
  /** Whether the confidence reaches the threshold. */
  readonly isAnswered: boolean;
}

export interface SaidFrame extends Said {
  /** From the start of the clip; null for a picture. */
  readonly seconds: number | null;
}

export interface Reading {
  readonly frames: readonly SaidFrame[];
  readonly mean: Said;
  /** Of each class the share of frames that it is likeliest in. */
  readonly votes: readonly number[];
  /** Frames left out because they are black, of one shade, or equal to the one before. */
  readonly dropped: number;
  readonly milliseconds: number;
}

/** Who hears of each frame before it is classified; `done` of `total` have been. */
export type OnFrame = (picture: CanvasImageSource, done: number, total: number) => void;

/** Classifies the part `kept` of every frame. Errors: `PageFailure`, the signal's reason. */
export async function classify(
  source: Source,
  kept: Rectangle,
  { classes, channels, size, abstainBelow }: PageFacts,
  predict: Predict,
  onFrame: OnFrame,
  signal: AbortSignal,
): Promise<Reading> {
  const started = performance.now();
  const total = source.times?.length ?? 1;
  const frames: SaidFrame[] = [];
  let before: Uint8Array | undefined;
  for (let number = 0; number < total; number++) {
    const picture = await source.show(number);
    signal.throwIfAborted();
    onFrame(picture, number, total);
    await turn();
    signal.throwIfAborted();
    const frame = storedFrame(pixelsOf(picture, kept), kept, channels, size);
    const { pixels } = frame;
    const isRepeated = before !== undefined && isSame(pixels, before);
    if (isRepeated || isBlack(pixels) || isBlank(pixels, { channels, isMasked: false })) continue;
    before = pixels;
    const said = sayOf([...(await predict(frame))], abstainBelow);
    frames.push({ ...said, seconds: source.times?.[number] ?? null });
  }
  if (frames.length === 0)
    throw new PageFailure(
      total === 1 ? 'The picture is black or of one shade.' : 'All frames are black or of one shade.',
      'Give another file, or move the crop to where the ultrasound is.',
    );
  const mean = classes.map((_, c) => sumOf(frames, c) / frames.length);
  return {
    frames,
    mean: sayOf(mean, abstainBelow),
    votes: classes.map((_, c) => frames.filter(({ likeliest }) => likeliest === c).length / frames.length),
    dropped: total - frames.length,
    milliseconds: performance.now() - started,
  };
}

function sumOf(frames: readonly Said[], c: number): number {
  return frames.reduce((sum, { probabilities }) => sum + probabilities[c]!, 0);
}

function sayOf(probabilities: readonly number[], abstainBelow: number): Said {
  const likeliest = largestAt(probabilities, 0, probabilities.length);
  const confidence = probabilities[likeliest]!;
  return { probabilities, likeliest, confidence, isAnswered: confidence >= abstainBelow };
}

/** Lets the browser draw and hear. A timer would wait a second in a tab that is not looked at. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
