/**
 * The page's numbers in a browser: they are those of `uscl predict` for the same frames, and those of the bare ONNX model. Skips
 * where there is no Chromium.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { predictFiles } from '../../../src/predict/predict.ts';
import { tableHeader } from '../../../src/predict/write.ts';
import { exportWeights } from '../../../src/weights/export-weights.ts';
import { exportPage } from '../../../src/weights/web/export-page.ts';
import { CHROMIUM, inChromium, openChromium } from '../../chromium.ts';
import { compileProgram } from '../../cli/run.ts';
import { writeModel } from '../../finetune/finetuned.ts';
import { scratchFolder } from '../../pretrain/support.ts';
import {
  CLASSES,
  farthest,
  openPage,
  saved,
  savedText,
  serve,
  settled,
  simulated,
  writePng,
  writeVideo,
} from './support.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const INGEST = { fps: 5, size: 96, channels: 1, crop: 'auto' } as const;

/** A grey frame in colours. */
function tinted(frame: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 3 * frame.length }, (_, i) => {
    const value = frame[Math.floor(i / 3)]!;
    return [value, 255 - value, value >> 1][i % 3]!;
  });
}

describe.skipIf(CHROMIUM === null)(inChromium('the numbers of the page'), { timeout: 120_000 }, () => {
  const scratch = scratchFolder();
  const at = (...names: string[]): string => join(scratch, ...names);
  /** Files are what is inside of a field: a person says so, and the page takes whole frames. */
  const EXACT = { backend: 'onednn', precision: 'f32', fields: at('fields.yaml') } as const;
  let browser: Browser;
  let server: Server;
  let address = '';
  let grey = '';
  let colour = '';
  let frames: readonly Uint8Array[] = [];
  let larger: readonly Uint8Array[] = [];

  beforeAll(async () => {
    compileProgram();
    mkdirSync(at('colour'));
    writeFileSync(at('fields.yaml'), 'fields:\n  - { clips: "*", field: whole }\n');
    mkdirSync(at('bare'));
    const clips = await simulated(scratch, 96);
    const others = await simulated(scratch, 180);
    [frames, larger] = [clips[0]!, others[0]!];
    const seen = [clips, others].flatMap((set) => set.slice(0, 2).map(([first]) => first!));
    grey = writeModel(scratch, {
      frames: seen,
      ...{ classes: CLASSES, view: { size: 64 }, width: 8, sharpness: 2, ingest: INGEST },
    });
    colour = writeModel(at('colour'), {
      frames: seen.map(tinted),
      ...{ classes: CLASSES, width: 8, sharpness: 2, seed: 4, backbone: 'resnet50' },
      ...{ view: { size: 64, channels: 3 }, ingest: { ...INGEST, channels: 3 } },
    });
    await exportPage(grey, at('page'));
    await exportPage(colour, at('colour', 'page'));
    await exportWeights(grey, at('bare', 'model.onnx'), { format: 'onnx' });
    ({ server, address } = await serve({
      ...{ page: at('page'), colour: at('colour', 'page'), bare: at('bare') },
      ort: join(ROOT, 'node_modules', 'onnxruntime-web', 'dist'),
    }));
    browser = await openChromium();
  }, 300_000);
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  /** The rows that the page saves after classifying files. */
  async function rowsOf(
    files: readonly string[],
    url = `${address}/page/index.html`,
  ): ReturnType<typeof saved> {
    const { page, complaints } = await openPage(browser, url);
    await page.setInputFiles('#files', [...files]);
    await settled(page, files.length);
    const rows = await saved(page);
    expect(complaints).toEqual([]);
    await page.close();
    return rows;
  }

  test('are those of predict for simulated frames, to 1e-4, from a server and from a folder', async () => {
    const files = [
      await writePng(at('same.png'), frames[0]!, 96),
      await writePng(at('other.png'), frames[3]!, 96),
      // Shrunk to the size of the model's clips, by less than two on each side.
      await writePng(at('larger.png'), larger[0]!, 180),
      await writePng(at('wide.png'), larger[1]!, 180, { width: 250, height: 140 }),
      await writePng(at('small.png'), frames[1]!, 96, { width: 48, height: 48 }),
    ];
    const { clips } = await predictFiles(grey, files, EXACT);
    for (const url of [`${address}/page/index.html`, `file://${at('page', 'index.html')}`]) {
      const rows = (await rowsOf(files, url)).filter(({ row }) => row === 'clip');
      expect(rows).toHaveLength(files.length);
      for (const [i, { mean }] of clips.entries()) {
        const { name, probabilities, answer, likeliest } = rows[i]!;
        expect(files[i]).toContain(name);
        expect(farthest(probabilities, mean.probabilities), name).toBeLessThan(1e-4);
        expect({ answer, likeliest }).toEqual({ answer: mean.answer ?? '', likeliest: mean.likeliest });
      }
      // A network that is sure of everything would agree with anything.
      for (const { probabilities } of rows) expect(Math.max(...probabilities)).toBeLessThan(0.95);
    }
  });

  test('are near those of predict where a picture shrinks by more than two, which rounds otherwise', async () => {
    const file = await writePng(at('screen.png'), larger[2]!, 180, { width: 1280, height: 960 });
    const { clips } = await predictFiles(grey, [file], EXACT);
    const [row] = await rowsOf([file]);
    expect(farthest(row!.probabilities, clips[0]!.mean.probabilities)).toBeLessThan(0.05);
  });

  test('are those of predict in colour', async () => {
    const pixels = tinted(frames[2]!);
    await sharp(pixels, { raw: { width: 96, height: 96, channels: 3 } })
      .png()
      .toFile(at('colour.png'));
    const { clips } = await predictFiles(colour, [at('colour.png')], EXACT);
    const [row] = await rowsOf([at('colour.png')], `${address}/colour/index.html`);
    expect(farthest(row!.probabilities, clips[0]!.mean.probabilities)).toBeLessThan(1e-4);
  });

  test.each([
    ['mp4', ['-c:v', 'libx264', '-qp', '0']],
    ['webm', ['-c:v', 'libvpx-vp9', '-lossless', '1']],
  ])(
    'of a video (%s) are of the frames that predict takes; repeated ones are left out',
    async (ending, codec) => {
      // Ten a second, of which five are taken: every other one. The third and fourth that are taken are the same.
      const shown = [0, 5, 1, 5, 2, 5, 2, 5, 3, 5, 4, 5].map((i) => frames[i]!);
      const file = writeVideo(at(`clip.${ending}`), shown, 96, codec);
      const { clips } = await predictFiles(grey, [file], EXACT);
      const rows = await rowsOf([file]);
      const wanted = clips[0]!.frames;
      const found = rows.filter(({ row }) => row === 'frame');
      expect(wanted).toHaveLength(5);
      expect(found.map(({ seconds }) => seconds)).toEqual(wanted.map(({ seconds }) => seconds));
      // Decoders turn luma into grey with other roundings.
      for (const [i, { probabilities }] of wanted.entries())
        expect(farthest(found[i]!.probabilities, probabilities), `frame ${i}`).toBeLessThan(0.03);
      const [clip, vote] = rows;
      expect([clip!.row, vote!.row]).toEqual(['clip', 'vote']);
      expect(farthest(clip!.probabilities, clips[0]!.mean.probabilities)).toBeLessThan(0.03);
      expect(farthest(vote!.probabilities, clips[0]!.vote.shares)).toBeLessThan(1e-9);
    },
  );

  test('are saved under the columns of predict', async () => {
    const { page } = await openPage(browser, `${address}/page/index.html`);
    await page.setInputFiles('#files', [await writePng(at('one.png'), frames[0]!, 96)]);
    await settled(page, 1);
    const [header] = (await savedText(page)).split('\n');
    expect(`${header!}\n`).toBe(tableHeader(CLASSES));
    await page.close();
  });

  test('of the bare ONNX model in ONNX Runtime Web are those in ONNX Runtime, at any size', async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(at('bare', 'model.onnx'));
    const page = await browser.newPage();
    await page.goto(`${address}/page/licences.txt`);
    for (const [width, height] of [
      [48, 48],
      [224, 224],
      [640, 480],
      [1920, 1080],
    ] as const) {
      const file = await writePng(at(`bare-${width}.png`), larger[0]!, 180, { width, height });
      const { data } = await sharp(file).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
      const pixels = Uint8Array.from(data);
      expect(pixels.length).toBe(width * height);
      const input = new Tensor('uint8', pixels, [1, height, width, 1]);
      const { probabilities } = await session.run({ frames: input });
      const found = await page.evaluate<number[]>(`(async () => {
        const { env, InferenceSession, Tensor } = await import('${address}/ort/ort.wasm.bundle.min.mjs');
        env.wasm.numThreads = 1;
        const session = await InferenceSession.create('${address}/bare/model.onnx');
        const bytes = Uint8Array.from(atob('${Buffer.from(pixels).toString('base64')}'), (one) => one.charCodeAt(0));
        const frames = new Tensor('uint8', bytes, [1, ${height}, ${width}, 1]);
        return [...(await session.run({ frames })).probabilities.data];
      })()`);
      expect(farthest(found, [...(probabilities!.data as Float32Array)]), `${width}×${height}`).toBeLessThan(
        1e-4,
      );
    }
    await page.close();
  });
});
