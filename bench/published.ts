/**
 * Folders for timm, for `weights.ts`: classifiers of grey and of colour images, with what this program makes of a frame (its
 * image, features and probabilities), so that `peers/weights.py` can hold beside it what timm makes of the folder alone.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomAt } from '../src/base/random.ts';
import { openBackend } from '../src/engine/open.ts';
import { embedderOf, loadBackbone, readBackbone } from '../src/trainer/backbone.ts';
import { openModel } from '../src/trainer/classifier.ts';
import { fillWholeView } from '../src/views/whole.ts';
import { exportWeights } from '../src/weights/export-weights.ts';
import { writeModel } from '../test/finetune/finetuned.ts';

const [WIDTH, HEIGHT, SIZE] = [640, 480, 96];

/** Writes `hf-1` and `hf-3` into `folder`, and beside each `.u8` (the frame), `.image.f32`, `.features.f32` and `.probabilities.f32`. */
export async function writePublished(folder: string): Promise<void> {
  for (const channels of [1, 3] as const) {
    const out = join(folder, `hf-${channels}`);
    const made = join(folder, `model-${channels}`);
    mkdirSync(made);
    const model = writeModel(made, { view: { size: SIZE, channels }, width: 64, seed: channels });
    await exportWeights(model, out, { format: 'hf' });
    const frame = frameOf(channels);
    writeFileSync(`${out}.u8`, frame);
    const write = (what: string, values: Float32Array): void => {
      writeFileSync(
        `${out}.${what}.f32`,
        new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      );
    };
    using backend = openBackend({ kind: 'onednn' });
    using opened = openModel(model, backend, { precision: 'f32' });
    const image = new Float32Array(channels * SIZE ** 2);
    fillWholeView(frame, { width: WIDTH, height: HEIGHT }, opened.view, image, 0);
    write('image', image);
    opened.input.set(image);
    write('probabilities', opened.predict(1));
    // From the folder itself, as `uscl embed` reads it.
    using backbone = loadBackbone(backend, await readBackbone(out));
    const embedder = embedderOf(backbone.plan);
    embedder.input.set(image);
    write('features', embedder.embed(embedder.input, 1));
  }
}

/** Waves and noise of 8 bits. */
function frameOf(channels: number): Uint8Array {
  const random = randomAt(channels, 'frame');
  return Uint8Array.from({ length: WIDTH * HEIGHT * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    const [x, y] = [(pixel % WIDTH) / WIDTH, Math.floor(pixel / WIDTH) / HEIGHT];
    return Math.round(128 + 70 * Math.sin(20 * x + 12 * y + (i % channels)) + random.between(-50, 50));
  });
}
