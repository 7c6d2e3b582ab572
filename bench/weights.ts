/**
 * Weights beside the tools that write and read them: ResNets of torchvision, saved as six tools save them, go in, and their
 * features are PyTorch's; what goes out loads in torchvision (`strict=True`) and in timm,
 * folders for timm (`published.ts`) too. Then what reading and writing cost
 * beside a copy of the file, in time and memory. timm is compared with where the Python has it.
 *
 *     npm run bench:weights -- [--python PYTHON] [--rounds 7] [--out bench/results/weights.json]
 *
 * The copy is one that a program makes: it reads the file and writes it as whole and as durably as everything is written here
 * (`writeFileAtomic`: fsync, rename, fsync of the folder), in the same place. Beside it stand what the kernel takes for a copy without
 * showing it to any program, and what SHA-256 of the file takes, which an import writes down. Memory is the peak of a fresh process
 * (resident set) that does nothing else, less what it held before; Linux tells it, and elsewhere it is not measured.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { writeFileAtomic } from '../src/base/files.ts';
import { openBackend } from '../src/engine/open.ts';
import { fileHash } from '../src/runs/run-folder.ts';
import { embedderOf, loadBackbone, readBackbone } from '../src/trainer/backbone.ts';
import { exportWeights } from '../src/weights/export-weights.ts';
import { importWeights } from '../src/weights/import-weights.ts';
import { countOf, median } from './contestants.ts';
import { writePublished } from './published.ts';
import { newestPyTorch } from './pytorch.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    python: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    out: { type: 'string', default: join(here, 'results', 'weights.json') },
    /** For the process of one measurement of memory: what it does, and with which file. */
    alone: { type: 'string' },
    source: { type: 'string', default: '' },
  },
});
const rounds = countOf('rounds', flags.rounds);
const folder = mkdtempSync(join(tmpdir(), 'uscl-weights-'));
const at = (name: string): string => join(folder, name);

const python = (): string => flags.python ?? newestPyTorch();
const peer = (what: 'write' | 'read'): unknown =>
  JSON.parse(execFileSync(python(), [join(here, 'peers', 'weights.py'), what, folder], { encoding: 'utf8' }));
const writtenSchema = z.looseObject({
  size: z.int(),
  images: z.int(),
  files: z.array(z.object({ file: z.string(), depth: z.int() })),
});

function floatsAt(path: string): Float32Array {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** Largest difference by the largest value. */
function difference(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} features, not ${theirs.length}`);
  const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0) / largest;
}

async function featuresOf(path: string, images: Float32Array, count: number): Promise<Float32Array> {
  const source = await readBackbone(path);
  const size = Math.sqrt(images.length / count / source.config.view.channels);
  const config = { ...source.config, view: { ...source.config.view, size } };
  using backend = openBackend({ kind: 'onednn' });
  using loaded = loadBackbone(backend, { ...source, config });
  const embedder = embedderOf(loaded.plan);
  const features: number[] = [];
  for (let from = 0; from < count; from += embedder.batch) {
    const some = Math.min(embedder.batch, count - from);
    const batch = new Float32Array(embedder.input.length);
    batch.set(images.subarray((from * images.length) / count, ((from + some) * images.length) / count));
    features.push(...embedder.embed(batch, some));
  }
  return Float32Array.from(features);
}

async function timed(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}

/** A copy by the kernel that lies on the disk when it is done. */
function copiedByKernel(from: string, to: string): void {
  copyFileSync(from, to);
  const file = openSync(to, 'r');
  fsyncSync(file);
  closeSync(file);
}

/** What is timed, by name: each makes one file of `source`, or reads it. */
const CONTESTANTS: Readonly<Record<string, (source: string, out: string) => unknown>> = {
  copy: (source, out) => {
    writeFileAtomic(out, [readFileSync(source)]);
  },
  'copy by the kernel': copiedByKernel,
  'SHA-256': fileHash,
  import: (source, out) => importWeights(source, out, { overwrite: true }),
  'export safetensors': (source, out) => exportWeights(source, out, { overwrite: true }),
  'export torch': (source, out) => exportWeights(source, out, { format: 'torch', overwrite: true }),
  'export onnx': (source, out) => exportWeights(source, out, { format: 'onnx', overwrite: true }),
};

/** Median over rounds of what each takes beside a copy in the same round. */
async function timesOf(source: string): Promise<{ readonly seconds: object; readonly ratios: object }> {
  const seconds: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++)
    for (const [i, [name, action]] of Object.entries(CONTESTANTS).entries())
      (seconds[name] ??= []).push(await timed(() => action(source, at(`timed-${i}`))));
  const beside = (own: readonly number[]): number => median(own.map((one, i) => one / seconds['copy']![i]!));
  return {
    seconds,
    ratios: Object.fromEntries(Object.entries(seconds).map(([name, own]) => [name, beside(own)])),
  };
}

/** Peak memory of each in a process of its own, in bytes and as a multiple of the file. */
function memoryOf(source: string): object {
  const bytes = statSync(source).size;
  return Object.fromEntries(
    Object.keys(CONTESTANTS).map((name) => {
      const args = [
        ...process.execArgv,
        process.argv[1]!,
        '--alone',
        name,
        '--source',
        source,
        '--out',
        at('alone'),
      ];
      const { before, peak } = memorySchema.parse(
        JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })),
      );
      return [name, { before, peak, files: (peak - before) / bytes }];
    }),
  );
}
const memorySchema = z.object({ before: z.int(), peak: z.int() });

if (flags.alone !== undefined) {
  const before = process.memoryUsage.rss();
  // Linux forgets the peak of what came before, as the loading of modules.
  writeFileSync('/proc/self/clear_refs', '5');
  await CONTESTANTS[flags.alone]!(flags.source, flags.out);
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))!;
  console.log(JSON.stringify({ before, peak: Number(kilobytes) * 1024 }));
  rmSync(folder, { recursive: true, force: true });
  process.exit();
}

try {
  const { files, images: count, ...about } = writtenSchema.parse(peer('write'));
  const images = floatsAt(at('images.f32'));
  const read = [];
  for (const { file, depth } of files) {
    const theirs = floatsAt(at(`resnet${depth}.f32`));
    read.push({ file, features: difference(await featuresOf(at(file), images, count), theirs) });
  }
  for (const depth of [18, 34, 50])
    for (const format of ['torch', 'safetensors'] as const) {
      const end = format === 'torch' ? 'pth' : format;
      await exportWeights(at(`resnet${depth}.pth`), at(`exported-resnet${depth}.${end}`), { format });
    }
  for (const fold of [false, true])
    await exportWeights(at('resnet18.pth'), at(`exported-${fold ? 'folded' : 'plain'}.onnx`), {
      format: 'onnx',
      fold,
    });
  for (const depth of [18, 34, 50])
    await exportWeights(at(`resnet${depth}.pth`), at(`exported-resnet${depth}`), { format: 'hf' });
  await writePublished(folder);
  const written = peer('read');

  const source = at('resnet50.pth');
  const times = await timesOf(source);
  const memory = process.platform === 'linux' ? memoryOf(source) : null;
  const megabytes = statSync(source).size / 1e6;
  const result = { ...about, processor: cpus()[0]?.model, read, written, megabytes, ...times, memory };
  writeFileSync(flags.out, `${JSON.stringify(result, null, 1)}\n`);
  console.log(JSON.stringify(result, null, 1));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
