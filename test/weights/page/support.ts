/** A page of a small model on a server of its own, and files of simulated clips to drop on it. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import { openDataset } from '../../../src/dataset/reader.ts';
import { parseCsv } from '../../../src/formats/csv.ts';
import { makePhantom } from '../../../src/phantom/phantom.ts';

export const CLASSES = ['b-lines', 'consolidation, "large"', '<b>normal</b>'] as const;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.txt': 'text/plain',
  '.wasm': 'application/wasm',
};

/** Serves the files of folders by the first part of the path, and keeps a list of what it was asked for. */
export async function serve(
  folders: Readonly<Record<string, string>>,
): Promise<{ readonly address: string; readonly server: Server; readonly requests: readonly string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const [, folder = '', ...rest] = new URL(request.url ?? '/', 'http://here').pathname.split('/');
    const root = folders[folder];
    const file = root === undefined ? '' : join(root, ...rest);
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    response.end(readFileSync(file));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, requests };
}

/** Frames of simulated clips, square, of this many pixels a side: [clip][frame]. */
export async function simulated(folder: string, size: number, frames = 6): Promise<Uint8Array[][]> {
  const out = join(folder, `phantom-${size}`);
  await makePhantom({ out, clips: 4, framesPerClip: frames, size, seed: size });
  using dataset = openDataset(out);
  return dataset.clips.map((clip) =>
    Array.from({ length: clip.frames }, (_, frame) => Uint8Array.from(dataset.readFrame(clip, frame))),
  );
}

/** Writes a grey frame as PNG, stretched to a size where one is given. */
export async function writePng(
  path: string,
  frame: Uint8Array,
  side: number,
  stretch?: { readonly width: number; readonly height: number },
): Promise<string> {
  const picture = sharp(frame, { raw: { width: side, height: side, channels: 1 } });
  if (stretch !== undefined) picture.resize({ ...stretch, fit: 'fill' });
  await picture.toColourspace('b-w').png().toFile(path);
  return path;
}

/** Writes grey frames as a video without losses, 10 a second. */
export function writeVideo(
  path: string,
  frames: readonly Uint8Array[],
  side: number,
  codec: readonly string[],
): string {
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'gray', '-s', `${side}x${side}`, '-r', '10', '-i', '-'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...raw, ...codec, '-pix_fmt', 'yuv420p', path], {
    input: Buffer.concat(frames),
  });
  return path;
}

/** Files that the page cannot read, with what it says of each. */
export async function writeBroken(
  folder: string,
): Promise<readonly (readonly [file: string, said: string])[]> {
  const at = (name: string): string => join(folder, name);
  const deep = Uint8Array.from({ length: 32 * 32 }, (_, i) => i % 251);
  await sharp(deep, { raw: { width: 32, height: 32, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toFile(at('deep.png'));
  await writePng(at('black.png'), new Uint8Array(32 * 32), 32);
  await writePng(at('tiny.png'), new Uint8Array(64).fill(99), 8);
  writeFileSync(at('text.mp4'), 'no video');
  writeFileSync(at('empty.png'), '');
  writeFileSync(at('cut.png'), readFileSync(at('deep.png')).subarray(0, 24));
  writeFileSync(at('scan.dcm.bin'), Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]));
  writeFileSync(at('moving.gif'), 'GIF89a');
  return [
    [
      'text.mp4',
      'text.mp4 is not read: this browser can neither show it as a picture nor play it as a video.',
    ],
    ['empty.png', 'empty.png is not read: it is empty.'],
    ['cut.png', 'cut.png is not read: this browser cannot decode the picture.'],
    ['scan.dcm.bin', 'scan.dcm.bin is not read: it is a DICOM object.'],
    ['moving.gif', 'moving.gif is not read: it is an animated picture.'],
    ['deep.png', 'deep.png is not read: it has 16 bits a value.'],
    ['tiny.png', 'tiny.png is not read: it is only 8×8 pixels.'],
    ['black.png', 'The picture is black or of one shade.'],
  ];
}

export interface OpenedPage {
  readonly page: Page;
  /** Addresses that the page has asked for; what stays in the browser is left out. */
  readonly asked: string[];
  /** What the browser complained of. */
  readonly complaints: string[];
}

/** Opens the page at `url` and waits until its model is ready, or has failed. */
export async function openPage(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<OpenedPage> {
  const page = await browser.newPage(options);
  const [asked, complaints]: [string[], string[]] = [[], []];
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url())) asked.push(request.url());
  });
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(url);
  await page.locator('body[data-state]').waitFor();
  expect(complaints).toEqual([]);
  return { page, asked, complaints };
}

/** The largest difference between two lists of numbers. */
export function farthest(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** Waits until the page has classified so many files, or said why not. */
export async function settled(page: Page, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await page.locator('.clip').nth(i).and(page.locator('[data-state=done],[data-state=failed]')).waitFor();
}

export interface TableRow {
  readonly name: string;
  readonly row: string;
  readonly seconds: number | null;
  readonly answer: string;
  readonly likeliest: string;
  readonly probabilities: readonly number[];
  readonly note: string;
}

/** The text of the table that the page saves. */
export async function savedText(page: Page): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
  return readFileSync(await download.path(), 'utf8');
}

/** What the page saves. */
export async function saved(page: Page): Promise<readonly TableRow[]> {
  const columns = [
    'name',
    'row',
    'seconds',
    'answer',
    'likeliest',
    'note',
    ...CLASSES.map((one) => `p:${one}`),
  ];
  return parseCsv(Buffer.from(await savedText(page)), 'predictions.csv', columns).map(({ cells }) => {
    const cell = (name: string): string => cells.get(name) ?? '';
    return {
      ...{ name: cell('name'), row: cell('row'), answer: cell('answer') },
      ...{ likeliest: cell('likeliest'), note: cell('note') },
      seconds: cell('seconds') === '' ? null : Number(cell('seconds')),
      probabilities: CLASSES.map((one) => Number(cell(`p:${one}`))),
    };
  });
}
