/**
 * Nothing that names a patient comes out of an ingest. Files hold a marker in every attribute and every other place
 * that can hold one, and bars in the pixels outside of the regions; then every byte written is searched, decoded frames
 * and the contact sheet are looked at, and two sources that differ in nothing but what must not come out have to give
 * the same dataset.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { contactSheet } from '../../src/ingest/contact-sheet.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import type { IngestSummary } from '../../src/ingest/summary.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import type { Marking } from './dicom-marked.ts';
import {
  BURNED_IN,
  isInside,
  markedElements,
  nativeFile,
  REGION,
  tissueAt,
  writeMarkedSource,
} from './dicom-marked.ts';
import { makeVideo, makeWith } from './media.ts';

const scratch = scratchFolder();
const identity = { patient: 'ZQPHIKLM 4711', study: '1.2.826.0.1.4711', uid: '1.2.826.0.1.3680043' };
const ONE: Marking = { ...identity, marker: 'ZQPHIKLM', bars: 3 };
const TWO: Marking = { ...identity, marker: 'WVXYJBQD', bars: 2 };
const sources = { one: join(scratch, `${ONE.marker} in`), two: join(scratch, `${TWO.marker} in`) };
const keyFile = join(scratch, 'key');
const temporary = join(scratch, 'tmp');
const before = process.env['TMPDIR'];

/** What an ingest left in the folder for temporary files; tsx, which runs threads from source, keeps compiled code there. */
const leftBehind = (): readonly string[] => readdirSync(temporary).filter((name) => !/^tsx-\d+$/.test(name));

beforeAll(async () => {
  mkdirSync(temporary);
  process.env['TMPDIR'] = temporary;
  writeFileSync(keyFile, createHash('sha256').update('a key').digest());
  await writeMarkedSource(sources.one, ONE);
  await writeMarkedSource(sources.two, TWO);
});
afterAll(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
});

let count = 0;
/** A folder of its own for every ingest, so that everything in it was written by it. */
const freshPlace = (): string => {
  const place = join(scratch, `out-${++count}`);
  mkdirSync(place);
  return place;
};

async function run(
  source: string,
  options: Partial<IngestOptions> = {},
): Promise<IngestSummary & { readonly place: string }> {
  const place = freshPlace();
  const summary = await ingest({ source, out: join(place, 'set'), fps: 'all', ...options });
  using dataset = openDataset(join(place, 'set'));
  await contactSheet(dataset, join(place, 'set', 'contact-sheet.png'));
  return { ...summary, place };
}

function filesBelow(folder: string): { readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: path.slice(folder.length + 1), bytes: readFileSync(path) }));
}

/** The ways in which a text can hide in bytes. */
function disguises(text: string): Buffer[] {
  const plain = Buffer.from(text);
  const wide = Buffer.from(text, 'utf16le');
  // The letters that depend on nothing but the text, whatever stands before it.
  const base64 = [0, 1, 2].map((shift) => {
    const coded = Buffer.concat([Buffer.alloc(shift), plain]).toString('base64');
    return coded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + plain.length) * 8) / 6));
  });
  const variants = [
    plain,
    Buffer.from(text.toLowerCase()),
    Buffer.from(plain).reverse(),
    wide,
    Buffer.from(wide).swap16(),
    Buffer.from(plain.toString('hex')),
    Buffer.from(plain.toString('hex').toUpperCase()),
    ...base64.map((coded) => Buffer.from(coded)),
  ];
  return variants.filter(({ length }) => length >= 5);
}

/** Places of `folder` where the patient can be recognised: names of files, and their bytes. */
function traces(folder: string, { marker, patient, study, uid }: Marking, source: string): string[] {
  const person = `${marker}^JANE 19610402`;
  const paths = readdirSync(source, { recursive: true, encoding: 'utf8' });
  const secrets = [marker.slice(0, 6), '^JANE', '19610402', study, uid, source];
  const guessable = [patient, study, marker, person, `${marker}^JANE`, source, ...paths];
  for (let end = 1; end <= 9; end++) guessable.push(`${uid}.${end}`);
  const digests = [...guessable, ...filesBelow(source).map(({ bytes }) => bytes)].flatMap((value) =>
    ['md5', 'sha1', 'sha256'].map((kind) => createHash(kind).update(value).digest()),
  );
  const needles = [
    ...secrets.flatMap(disguises),
    ...digests.flatMap((digest) => [
      digest.subarray(0, 8),
      Buffer.from(digest.toString('hex').slice(0, 12)),
      Buffer.from(digest.toString('base64').slice(0, 12)),
    ]),
  ];
  const found: string[] = [];
  for (const { name, bytes } of [...filesBelow(folder), { name: '', bytes: Buffer.alloc(0) }]) {
    for (const needle of needles) {
      if (bytes.includes(needle) || Buffer.from(name).includes(needle))
        found.push(`${name}: ${needle.toString('latin1')}`);
    }
  }
  return found;
}

describe.each([
  ['without a key', {}],
  ['with a key', { keyFile }],
  ['in colour', { keyFile, channels: 3 }],
  ['not cropped', { keyFile, crop: 'none' }],
  ['by motion', { fps: 5, sampling: 'motion' }],
] as const)('a whole ingest %s', (_name, options) => {
  let result: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    result = await run(sources.one, options);
  });

  test('takes the clips that say where the tissue is and refuses the others', () => {
    using dataset = openDataset(join(result.place, 'set'));
    expect(dataset.clips.map(({ field }) => field?.from)).toEqual(['declared', 'declared', 'declared']);
    expect(new Set(dataset.clips.map(({ group }) => group)).size).toBe(1);
    expect(dataset.manifest.rejected).toHaveLength(7);
    expect(result.rejected).toHaveLength(7);
    // The operator is told which.
    for (const { source } of result.rejected) expect(source).toContain(ONE.marker);
  });

  test('writes no byte that names the patient', () => {
    expect(filesBelow(result.place).length).toBeGreaterThanOrEqual(4);
    expect(traces(result.place, ONE, sources.one)).toEqual([]);
  });

  test('keeps tissue and nothing of the bars', () => {
    using dataset = openDataset(join(result.place, 'set'));
    const { channels } = dataset.manifest;
    for (const clip of dataset.clips) {
      let tissue = 0;
      for (let frame = 0; frame < clip.frames; frame++) {
        const pixels = dataset.readFrame(clip, frame);
        // Lossy pictures may be a little brighter than what went in.
        expect(Math.max(...pixels)).toBeLessThan(BURNED_IN - 40);
        const crop = clip.crop ?? { x: 0, y: 0, width: clip.original.width, height: clip.original.height };
        for (let y = 0; y < clip.height; y++)
          for (let x = 0; x < clip.width; x++) {
            const value = pixels[(y * clip.width + x) * channels]!;
            const isKept = clip.original.width !== 96 || isInside(x + crop.x, y + crop.y);
            if (!isKept) expect(value).toBe(0);
            else if (value > 0) tissue++;
          }
      }
      expect(tissue).toBeGreaterThan(clip.frames * 2000);
    }
  });

  test('leaves nothing in the folder for temporary files', () => {
    expect(leftBehind()).toEqual([]);
  });
});

test('pixels of the region come out as they went in, without the overlay in their unused bits', async () => {
  const source = join(scratch, 'single');
  mkdirSync(source);
  writeFileSync(join(source, 'a'), nativeFile(ONE));
  const { place } = await run(source, { keyFile });
  using dataset = openDataset(join(place, 'set'));
  const [clip] = dataset.clips;
  expect(clip?.crop).toEqual({ x: 16, y: 20, width: 64, height: 50 });
  expect(clip?.flags).toContain('overlay-left-out');
  for (let frame = 0; frame < 6; frame++) {
    const expected = Uint8Array.from({ length: 64 * 50 }, (_, i) =>
      tissueAt(REGION.x0 + (i % 64), REGION.y0 + Math.floor(i / 64), frame),
    );
    expect(Buffer.from(dataset.readFrame(clip!, frame)).equals(expected)).toBe(true);
  }
});

describe('two sources that differ in all that must not come out', () => {
  const withoutDigest = (place: string): Map<string, string> =>
    new Map(
      filesBelow(join(place, 'set')).map(({ name, bytes }) => [
        name,
        // Under the key this is the one thing that depends on the pixels outside; nobody else can make use of it.
        bytes.toString('latin1').replaceAll(/"sourceSha256":"[0-9a-f]{64}"/g, ''),
      ]),
    );

  test.each([
    ['grey', {}],
    ['colour', { channels: 3 }],
  ] as const)('give one dataset: %s', async (_name, options) => {
    const [one, two] = [
      await run(sources.one, { keyFile, ...options }),
      await run(sources.two, { keyFile, ...options }),
    ];
    expect(one.clips).toBe(3);
    const [left, right] = [withoutDigest(one.place), withoutDigest(two.place)];
    expect([...left.keys()]).toEqual([...right.keys()]);
    // The coded blocks of a lossy picture carry a trace of their neighbours over the border of the region: pixels,
    // and what is computed from them or from the length of the file, may differ by that and nothing else may.
    const facts = (text: string | undefined): string =>
      (text ?? '').replaceAll(/"hashes":\[[^\]]*\]|"crc":\d+|"key":"[0-9a-f]{64}"/g, '');
    for (const name of left.keys()) {
      if (!/\.(bin|png)$/.test(name)) expect(facts(right.get(name)), name).toBe(facts(left.get(name)));
    }
    const [a, b] = [left, right].map((files) => Buffer.from(files.get('frames.bin') ?? '', 'latin1'));
    expect(a!.length).toBe(b!.length);
    const largest = a!.reduce((most, value, i) => Math.max(most, Math.abs(value - b![i]!)), 0);
    expect(largest).toBeLessThan(40);
  });

  test('give one dataset to the last byte where nothing is lossy', async () => {
    const places: string[] = [];
    for (const marking of [ONE, TWO]) {
      const source = join(scratch, `${marking.marker} lossless`);
      mkdirSync(source);
      writeFileSync(join(source, `${marking.marker}.dcm`), nativeFile(marking));
      places.push((await run(source, { keyFile })).place);
    }
    expect(withoutDigest(places[0]!)).toEqual(withoutDigest(places[1]!));
  });
});

test('the contact sheet shows no bar', async () => {
  const { place } = await run(sources.one, { keyFile });
  const { data, info } = await sharp(join(place, 'set', 'contact-sheet.png'))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  // Bars would be columns of white, as high as a tile's edge; letters of captions are not.
  let longest = 0;
  for (let x = 0; x < info.width; x++) {
    let length = 0;
    for (let y = 0; y < info.height; y++) {
      const at = (y * info.width + x) * info.channels;
      length = data[at]! > 240 && data[at + 1]! > 240 && data[at + 2]! > 240 ? length + 1 : 0;
      longest = Math.max(longest, length);
    }
  }
  expect(longest).toBeLessThan(14);
});

test('an ingest that was stopped leaves nothing that names the patient', async () => {
  const place = freshPlace();
  const stop = new AbortController();
  const stopped = ingest({
    ...{ source: sources.one, out: join(place, 'set'), fps: 'all', signal: stop.signal },
    onProgress: (done) => {
      if (done === 2) stop.abort(new Error('stopped'));
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  expect(filesBelow(place).length).toBeGreaterThan(0);
  expect(traces(place, ONE, sources.one)).toEqual([]);
  expect(leftBehind()).toEqual([]);
});

test('videos and pictures beside DICOM files lose their names too, and groups given by hand are no words', async () => {
  const source = join(scratch, `${ONE.marker} mixed`);
  mkdirSync(join(source, ONE.marker), { recursive: true });
  writeFileSync(join(source, ONE.marker, 'IM1'), nativeFile(ONE));
  makeVideo(join(source, ONE.marker, `${ONE.marker}.mp4`));
  makeWith(join(source, ONE.marker, 'titled.mp4'), [
    ...['-f', 'lavfi', '-i', 'testsrc=s=64x48:r=10:d=1', '-metadata', `title=${ONE.marker}`],
  ]);
  writeFileSync(join(source, ONE.marker, `broken ${ONE.marker}.mp4`), `no video of ${ONE.marker}`);
  const labels = join(scratch, `${ONE.marker}.csv`);
  writeFileSync(
    labels,
    `clip,label,group\n${ONE.marker}/IM1,a,${ONE.marker}^JANE\n${ONE.marker}/${ONE.marker}.mp4,b,${ONE.marker}^JANE\n`,
  );
  const { place, clips } = await run(source, { labels, fps: 5, keyFile, allowUnmasked: true });
  expect(clips).toBe(3);
  expect(traces(place, ONE, source)).toEqual([]);
});

test('pixels without a field are written only where a person says so, and that is written down', async () => {
  const source = join(scratch, 'unmasked');
  mkdirSync(source);
  const { uid, ...rest } = ONE;
  const { writeUltrasound, element, TAG } = await import('../dicom-writer.ts');
  // Text over a flat picture: nothing there for a finder of fans.
  const frames = Array.from({ length: 4 }, (_, frame) =>
    Uint8Array.from({ length: 96 * 80 }, (_, i) =>
      i % 96 < 40 && i % 3 > 0 && i < 96 * 12 ? BURNED_IN : 8 * frame,
    ),
  );
  const elements = [...markedElements({ ...rest, uid }), element(TAG.SOPInstanceUID, 'UI', uid)];
  writeFileSync(
    join(source, 'a'),
    writeUltrasound({ rows: 80, columns: 96, frames, elements, frameTime: 200 }),
  );
  await expect(run(source)).rejects.toMatchObject({ kind: 'data' });
  for (const crop of ['auto', 'none'] as const) {
    const { place, manifest } = await run(source, { allowUnmasked: true, crop });
    expect(JSON.stringify(manifest.made)).toMatch(/allow/);
    using dataset = openDataset(join(place, 'set'));
    expect(dataset.clips.map(({ flags }) => flags.includes('no-field'))).toEqual([true]);
    expect(traces(place, ONE, source)).toEqual([]);
  }
});

test('the search finds what it looks for', () => {
  const place = freshPlace();
  const bytes = [
    Buffer.from(ONE.marker, 'utf16le'),
    Buffer.from(Buffer.from(`name: ${ONE.marker}`).toString('base64')),
    createHash('sha256').update(ONE.patient).digest(),
    Buffer.from(createHash('md5').update(sources.one).digest('hex')),
  ];
  for (const [index, one] of bytes.entries()) {
    writeFileSync(join(place, 'file'), Buffer.concat([Buffer.alloc(7), one, Buffer.alloc(5)]));
    expect(traces(place, ONE, sources.one), String(index)).not.toEqual([]);
  }
  const clean = freshPlace();
  writeFileSync(join(clean, 'file'), 'dicom-0123456789abcdef');
  expect(traces(clean, ONE, sources.one)).toEqual([]);
});
