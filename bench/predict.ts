/**
 * How much faster than real time a fine-tuned ResNet-18 at 224 pixels predicts every frame of a clip of 25 frames a
 * second: the whole program (start, opening the model, decoding, field, blanking, scaling, network, output), and the
 * same in a program that runs already. Beside it where the time goes: ffmpeg alone on the same video, reading without
 * the network, and the network alone. Programs take turns. Without `--clip` a clip of a fan of noise is made here;
 * without `--model` weights are random, which takes as long.
 *
 *     npx tsx bench/predict.ts [--clip FILE] [--model RUN] [--seconds 30] [--rounds 5] [--threads 2] [--out FILE]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { openBackend } from '../src/engine/open.ts';
import { readSources } from '../src/ingest/reading.ts';
import { findVideoTools } from '../src/video/ffmpeg.ts';
import { probeVideo } from '../src/video/probe.ts';
import { initialise } from '../src/models/initialise.ts';
import { saveCheckpoint } from '../src/runs/checkpoint.ts';
import { classifierNetwork } from '../src/trainer/classifier.ts';
import { FrameBatcher, OpenedModel } from '../src/trainer/opened-model.ts';
import { Predictor } from '../src/predict/predict.ts';
import { frameViewSchema } from '../src/views/config.ts';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', 'dist', 'cli', 'main.js');
const FPS = 25;
const [WIDTH, HEIGHT] = [800, 600];
const { values: flags } = parseArgs({
  options: {
    clip: { type: 'string' },
    model: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    out: { type: 'string', default: join(here, 'results', 'predict.json') },
  },
});
const threads = Number(flags.threads);
const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-'));

/** Noise, smoothed, in a fan on a black screen. */
async function madeClip(): Promise<string> {
  const fan =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}"><rect width="100%" height="100%"/>` +
    '<path d="M 340 80 A 90 90 0 0 0 460 80 L 700 500 A 560 560 0 0 1 100 500 Z" fill="#bbb"/></svg>';
  const [mask, path] = [join(scratch, 'fan.png'), join(scratch, 'clip.mp4')];
  writeFileSync(mask, await sharp(Buffer.from(fan)).png().toBuffer());
  execFileSync('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y'],
    ...['-f', 'lavfi', '-i', `color=gray:s=${WIDTH}x${HEIGHT}:r=${FPS}:d=${flags.seconds}`, '-i', mask],
    ...[
      '-filter_complex',
      '[0]format=gray,noise=alls=90:allf=t+u,gblur=sigma=1.5,format=gray[a];[1]format=gray[b];[a][b]blend=all_mode=multiply:repeatlast=1,format=gray,format=yuv420p',
    ],
    ...['-crf', '23', path],
  ]);
  return path;
}

function randomModel(): string {
  const view = frameViewSchema.parse({ size: 224, channels: 1 });
  const classes = ['a', 'b', 'c'];
  const shape = { backbone: 'resnet18', width: 64, channels: 1, size: 224 } as const;
  using backend = openBackend();
  using parameters = backend.createParameters(classifierNetwork(shape, view, classes.length));
  initialise(parameters, 1);
  const path = join(scratch, 'model.safetensors');
  const where = { step: 0, epoch: 0, optimizerSteps: 0, configHash: '', datasetHash: '', best: null };
  saveCheckpoint(path, { ...where, model: shape, classifier: { classes, view } }, parameters, null);
  return path;
}

async function timed(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

try {
  await findVideoTools();
  const clip = flags.clip ?? (await madeClip());
  const model = flags.model ?? randomModel();
  const info = await probeVideo(clip);
  const seconds = info.frames / (info.fps ?? FPS);
  using predictor = new Predictor(model, { threads });
  using opened = new OpenedModel(model, 16, { threads });
  const grey = new Uint8Array(256 * 300).map((_, i) => i % 251);
  let frames = 0;
  const contestants = {
    'ffmpeg alone, decoded and thrown away': () =>
      execFileSync('ffmpeg', ['-nostdin', '-v', 'error', '-threads', '1', '-i', clip, '-f', 'null', '-']),
    'reading alone (decode, field, blank, crop, scale)': () =>
      readSources(
        [clip],
        { fps: 'all' },
        {
          async clip(_, decoding) {
            frames = 0;
            for await (const frame of decoding.frames) frames += frame.length > 0 ? 1 : 0;
          },
          refused: (one) => {
            throw new Error(one.reason);
          },
        },
      ),
    'view and network alone': () => {
      const batcher = new FrameBatcher(opened.model);
      for (let i = 0; i < frames; i++) batcher.add(grey, { width: 300, height: 256 }, () => undefined);
      batcher.flush();
    },
    'predict, in a running program': () => predictor.files([clip], { fps: 'all' }),
    'predict, the whole program': () =>
      execFileSync(
        process.execPath,
        [main, 'predict', model, clip, '--fps', 'all', '--threads', String(threads), '--json'],
        { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 28 },
      ),
  };
  const times: Record<string, number[]> = {};
  for (let round = 0; round < Number(flags.rounds); round++)
    for (const [name, action] of Object.entries(contestants)) (times[name] ??= []).push(await timed(action));
  const results = Object.entries(times).map(([name, values]) => ({
    name,
    seconds: values,
    timesRealTime: { median: seconds / median(values), worst: seconds / Math.max(...values) },
  }));
  const report = {
    clip: {
      width: info.width,
      height: info.height,
      frames: info.frames,
      fps: info.fps,
      kept: frames,
      seconds,
    },
    model: { threads, precision: opened.precision, batch: opened.model.batch },
    machine: { cpu: cpus()[0]?.model ?? '', processors: availableParallelism(), load: loadavg() },
    node: process.version,
    results,
  };
  writeFileSync(flags.out, `${JSON.stringify(report, null, 2)}\n`);
  for (const { name, seconds: values, timesRealTime } of results)
    process.stdout.write(
      `${name}: ${median(values).toFixed(2)} s for ${seconds.toFixed(1)} s of clip, ${timesRealTime.median.toFixed(1)} times real time (worst ${timesRealTime.worst.toFixed(1)})\n`,
    );
  process.stdout.write(`${frames} frames; load ${loadavg()[0]!.toFixed(1)}; raw numbers in ${flags.out}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
