/**
 * An interrupted ingest of hospital files is completed by the next call to the same bytes, and what lies about
 * meanwhile names nobody: not the path of a file, not its folder.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { IngestOptions } from '../../src/ingest/options.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { compileProgram, start } from '../cli/run.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import type { Marking } from './dicom-marked.ts';
import { nativeFile, writeMarkedSource } from './dicom-marked.ts';
import { makePicture } from './media.ts';

const scratch = scratchFolder();
const MARKER = 'ZQPHIKLM';
const marking: Marking = {
  ...{ marker: MARKER, bars: 3, patient: 'ZQPHIKLM 4711' },
  ...{ study: '1.2.826.0.1.4711', uid: '1.2.826.0.1.3680043' },
};
const media = join(scratch, 'media');
const keyFile = join(scratch, 'key');
let count = 0;

beforeAll(async () => {
  await writeMarkedSource(media, marking);
  for (let i = 0; i < 4; i++) {
    const one = { ...marking, uid: `${marking.uid}.2.${i}`, bars: 2 + i };
    writeFileSync(join(media, `IM${i}`), nativeFile(one));
  }
  // Beside DICOM files, which have no field: refused.
  await makePicture(join(media, `${MARKER}.png`), 3);
  writeFileSync(keyFile, createHash('sha256').update('a key').digest());
});

function place(): { readonly source: string; readonly out: string } {
  const folder = join(scratch, String(++count));
  cpSync(media, join(folder, `${MARKER} in`), { recursive: true, preserveTimestamps: true });
  mkdirSync(join(folder, 'place'));
  return { source: join(folder, `${MARKER} in`), out: join(folder, 'place', 'set') };
}

/** Everything below a folder: relative path to content. */
function contentOf(folder: string): Map<string, Buffer> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return new Map(files.map((path) => [path, readFileSync(join(folder, path))]));
}

/** No byte of what is there names a file, a folder or a patient, plain or as a digest that could be tried. */
function expectNameless(folder: string, source: string): void {
  const paths = readdirSync(source, { recursive: true, encoding: 'utf8' });
  const absolute = paths.map((path) => join(source, path));
  const names = [...paths, ...absolute, source].flatMap((path) => [path, basename(path)]);
  const digests = names.flatMap((name) =>
    ['md5', 'sha1', 'sha256'].map((kind) => createHash(kind).update(name).digest('hex')),
  );
  const content = contentOf(folder);
  expect([...content.keys()].some((path) => path.endsWith('ingest.jsonl'))).toBe(true);
  for (const [path, bytes] of content) {
    const text = bytes.toString('latin1');
    for (const word of [MARKER, scratch, 'IM0003', ...digests])
      expect(text.includes(word), `${word} in ${path}`).toBe(false);
  }
}

/** Clips in the journal of an unfinished ingest; refusals are lines of their own. */
function clipsNoted(parent: string): number {
  const journals = [...contentOf(parent)].filter(([path]) => path.endsWith('.tmp/ingest.jsonl'));
  return journals.flatMap(([, bytes]) => bytes.toString().match(/"crc":/g) ?? []).length;
}

async function interrupted(options: IngestOptions, sources: number): Promise<void> {
  const abort = new AbortController();
  const onProgress = (done: number): void => {
    if (done === sources) abort.abort(new Error('stop'));
  };
  await expect(ingest({ ...options, signal: abort.signal, onProgress })).rejects.toThrow('stop');
}

test.each([
  ['without a key', {}],
  ['with a key', { keyFile }],
  ['of all pixels', { crop: 'none', allowUnmasked: true }],
] as const)('an interrupted ingest of DICOM %s goes on to the same bytes', async (_, settings) => {
  for (const sources of [1, 5, 7]) {
    const options = { ...place(), ...settings };
    await interrupted(options, sources);
    expectNameless(dirname(options.out), options.source);
    const noted = clipsNoted(dirname(options.out));
    const { reused, clips } = await ingest(options);
    expect(reused).toBe(noted);
    expect(reused).toBeLessThan(clips);
    expectNameless(dirname(options.out), options.source);
    const out = join(dirname(options.out), '..', 'anew');
    await ingest({ ...options, out, reuse: false });
    expect(contentOf(options.out)).toEqual(contentOf(out));
    expect(readdirSync(dirname(options.out))).toEqual(['set']);
  }
});

test('a file whose pixels were exchanged under the same header is read again, the others are not', async () => {
  const options = { ...place(), keyFile, overwrite: true };
  const { clips } = await ingest(options);
  const path = join(options.source, 'IM2');
  const bytes = readFileSync(path);
  // Native pixels lie at the end, in words whose lower half is the grey level.
  const at = bytes.length - 40_000;
  for (let i = 0; i < 4000; i += 2) bytes[at + i]! ^= 0x10;
  writeFileSync(path, bytes);
  expect((await ingest(options)).reused).toBe(clips - 1);
});

test('a killed program is completed by its next run', async () => {
  compileProgram();
  const options = place();
  const args = ['ingest', options.source, '--out', options.out, '--jobs', '1', '--json'];
  const parent = dirname(options.out);
  const child = start(args);
  const closed = new Promise<NodeJS.Signals | null>((resolve) => {
    child.once('close', (_, signal) => {
      resolve(signal);
    });
  });
  const look = setInterval(() => {
    try {
      if (clipsNoted(parent) > 0) child.kill('SIGKILL');
    } catch {
      // A file went between being listed and being read.
    }
  }, 1);
  const signal = await closed;
  clearInterval(look);
  // A machine may be so fast that the program was done; then there is nothing to complete.
  if (signal === 'SIGKILL' && !readdirSync(parent).includes('set')) {
    expectNameless(parent, options.source);
    expect((await ingest(options)).reused).toBeGreaterThan(0);
  }
  const out = join(parent, '..', 'anew');
  await ingest({ ...options, out, reuse: false });
  expect(contentOf(options.out)).toEqual(contentOf(out));
});
