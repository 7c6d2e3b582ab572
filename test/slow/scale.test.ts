/**
 * Ten thousand clips through the program as it is shipped: memory stays bounded, a second run reads no source again,
 * and the audit of the outcome finds the copies that were planted and no others.
 */
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { compileProgram, finished, start } from '../cli/run.ts';
import { scratchFolder } from '../dataset/helpers.ts';

const CLIPS = 10_000;
const FRAMES = 3;
const SIDE = 32;

/** When all sources were changed last, in seconds. */
const MADE = 1_700_000_000;

/** The bound that is promised for any number of clips up to this one. */
const GIGABYTE = 1024 * 1024;

const scratch = scratchFolder();
const source = join(scratch, 'source');
const out = join(scratch, 'set');

beforeAll(() => {
  compileProgram();
  for (let clip = 0; clip < CLIPS; clip++) {
    mkdirSync(folderOf(clip), { recursive: true });
    for (let frame = 0; frame < FRAMES; frame++) {
      const path = join(folderOf(clip), `f${frame}.png`);
      writeFileSync(path, png(pictureOf(clip, frame)));
      utimesSync(path, MADE, MADE);
    }
  }
});

test('10,000 clips are ingested within a gigabyte, taken over without a look at them, and audited', async () => {
  const command = ['ingest', source, '--out', out, '--pictures', 'frames', '--json'];
  const first = await run(command);
  const summary = summarySchema.parse(JSON.parse(first.stdout));
  expect(summary).toMatchObject({ clips: CLIPS, frames: CLIPS * FRAMES, reused: 0, rejected: [] });
  expect(first.peak).toBeLessThan(GIGABYTE);
  const before = bytesOf(out);

  // What is read again would be refused now: nothing but length and time of these files is what it was.
  for (let clip = 0; clip < CLIPS; clip += 97) {
    for (let frame = 0; frame < FRAMES; frame++) spoil(join(folderOf(clip), `f${frame}.png`));
  }
  const second = await run([...command, '--overwrite']);
  expect(summarySchema.parse(JSON.parse(second.stdout))).toMatchObject({
    ...{ clips: CLIPS, reused: CLIPS, rejected: [] },
  });
  expect(second.peak).toBeLessThan(GIGABYTE);
  expect(bytesOf(out).every((bytes, i) => bytes.equals(before[i]!))).toBe(true);

  const audit = await run(['audit', out, out, '--no-sheet', '--json'], [0, 3]);
  const { counts } = auditSchema.parse(JSON.parse(audit.stdout));
  expect(audit.peak).toBeLessThan(GIGABYTE);
  // The last clip shows the pictures of the first.
  expect(counts['same picture']).toBe(1);
});

const summarySchema = z.object({
  clips: z.int(),
  frames: z.int(),
  reused: z.int(),
  rejected: z.array(z.unknown()),
});
const auditSchema = z.object({ counts: z.object({ 'same picture': z.int() }) });

interface Measured {
  readonly stdout: string;
  /** Most memory that was resident at a time, in KiB. */
  readonly peak: number;
}

/** Runs the program and looks at its memory meanwhile. */
async function run(args: readonly string[], codes: readonly number[] = [0]): Promise<Measured> {
  const child = start(args);
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid ?? 0));
  }, 50);
  try {
    const { code, stdout, stderr } = await finished(child);
    expect(codes, stderr.slice(-2000)).toContain(code);
    expect(peak).toBeGreaterThan(0);
    return { stdout, peak };
  } finally {
    clearInterval(look);
  }
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    // It has just ended.
    return 0;
  }
}

function bytesOf(folder: string): Buffer[] {
  return ['frames.bin', 'clips.jsonl', 'dataset.json'].map((name) => readFileSync(join(folder, name)));
}

function folderOf(clip: number): string {
  return join(source, `clip${String(clip).padStart(5, '0')}`);
}

/** Speckle that keeps its pattern over the frames of a clip and breathes; the last clip copies the first. */
function pictureOf(clip: number, frame: number): Uint8Array {
  const random = randomAt(clip === CLIPS - 1 ? 0 : clip, 'picture');
  const gain = 1 - 0.1 * frame;
  // Coarse grains, as the perceptual hash looks at them.
  const grains = Float64Array.from({ length: 64 }, () => 40 + 200 * random.uniform());
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [(i % SIDE) >> 2, Math.floor(i / SIDE) >> 2];
    return gain * grains[8 * y + x]! + ((i * 7 + frame * 5) % 11);
  });
}

/** Other bytes, same length and time of change. */
function spoil(path: string): void {
  writeFileSync(path, Buffer.alloc(statSync(path).size, 1));
  utimesSync(path, MADE, MADE);
}

/** A grey picture as PNG. */
function png(pixels: Uint8Array): Buffer {
  const rows = Buffer.alloc(SIDE * (SIDE + 1));
  for (let y = 0; y < SIDE; y++) rows.set(pixels.subarray(y * SIDE, (y + 1) * SIDE), y * (SIDE + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header[8] = 8;
  const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 1 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name), content]);
  const result = Buffer.alloc(body.length + 8);
  result.writeUInt32BE(content.length, 0);
  result.set(body, 4);
  result.writeUInt32BE(crc32(body), body.length + 4);
  return result;
}
