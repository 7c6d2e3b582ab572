/**
 * Every real file against the two toolkits that people trust: the same number of frames, the same size, the same
 * colours within what codecs may round. Where the toolkits are known to be wrong or to give up, the test says so.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeFrame } from '../../../src/formats/dicom/decode.ts';
import { imageOf, type DicomFrames } from '../../../src/formats/dicom/image.ts';
import { readDicom } from '../../../src/formats/dicom/read.ts';
import { bytesOf, DATA, realFiles } from './corpus.ts';

const files = realFiles();
const PYTHON = '/usr/bin/python3';
const CONVERTER = 'dcmj2pnm';

function runs(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const dcmtk = runs(CONVERTER, ['--version']);
const pydicom = existsSync(PYTHON) && runs(PYTHON, ['-c', 'import pydicom, numpy']);

const scratch = mkdtempSync(join(tmpdir(), 'uscl-dicom-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

function framesOf(path: string): DicomFrames {
  const image = imageOf(readDicom(bytesOf(path)));
  if (image.kind !== 'frames') throw new Error('expected frames');
  return image;
}

function largestDifference(ours: Uint8Array, theirs: Uint8Array): number {
  expect(theirs.length).toBe(ours.length);
  let largest = 0;
  for (let i = 0; i < ours.length; i++) largest = Math.max(largest, Math.abs(ours[i]! - theirs[i]!));
  return largest;
}

/** First and last. */
function shown(image: DicomFrames): number[] {
  return [...new Set([0, image.frames - 1])];
}

describe.skipIf(files.length === 0)(`the real files (skipped where ${DATA} is absent)`, () => {
  test('are the 17 that are documented, and all of them are read', () => {
    expect(files).toHaveLength(17);
    for (const { path } of files) expect(framesOf(path).frames).toBeGreaterThan(0);
  });
});

describe.skipIf(files.length === 0 || !dcmtk)(`against dcmtk (skipped without dcmj2pnm or ${DATA})`, () => {
  /** No decoder for JPEG 2000 in it, and it ignores segmented palettes. */
  const BEYOND = /J2KR|ALOKA-16/;
  test.each(files.filter(({ name }) => !BEYOND.test(name)))('$name', async ({ path }) => {
    const image = framesOf(path);
    for (const index of shown(image)) {
      const ours = await decodeFrame(image, index);
      const target = join(scratch, 'frame.pnm');
      // `+cl`: colours of lossy JPEG by what the codestream is; by default it believes the object, even where it lies.
      execFileSync(CONVERTER, ['+cl', '--write-raw-pnm', '+F', String(index + 1), path, target]);
      const pnm = readFileSync(target);
      const header = /^P([56])\s(?:#.*\s)*(\d+)\s(\d+)\s255\s/.exec(pnm.toString('latin1', 0, 200));
      expect([header?.[1], header?.[2], header?.[3]].map(Number)).toEqual([
        ours.channels === 3 ? 6 : 5,
        ours.width,
        ours.height,
      ]);
      const theirs = pnm.subarray(header![0].length);
      expect(largestDifference(ours.data, theirs)).toBeLessThanOrEqual(image.coding === 'jpeg' ? 2 : 0);
    }
    expect(
      runs(CONVERTER, ['--write-raw-pnm', '+F', String(image.frames + 1), path, join(scratch, 'none')]),
    ).toBe(false);
  });
});

const SCRIPT = `
import sys, warnings
warnings.simplefilter('ignore')
import numpy, pydicom
from pydicom.pixel_data_handlers.util import apply_color_lut, convert_color_space
d = pydicom.dcmread(sys.argv[1])
frames = int(d.get('NumberOfFrames', 1) or 1)
a = d.pixel_array
if d.PhotometricInterpretation == 'PALETTE COLOR':
    a = numpy.stack([apply_color_lut(f, d) for f in (a if frames > 1 else [a])])
    a = (a >> 8).astype('u1') if a.dtype != numpy.uint8 else a
else:
    a = a if frames > 1 else a[None]
    if d.PhotometricInterpretation.startswith('YBR_FULL'):
        a = convert_color_space(a, d.PhotometricInterpretation, 'RGB')
sys.stdout.buffer.write(numpy.int32([frames, d.Rows, d.Columns]).tobytes())
for i in sorted({0, frames - 1}):
    sys.stdout.buffer.write(numpy.ascontiguousarray(a[i]).tobytes())
`;

describe.skipIf(files.length === 0 || !pydicom)(`against pydicom (skipped without it or ${DATA})`, () => {
  /** It believes objects that declare RGB and hold YCbCr, and reads 8-bit words of big-endian files unswapped. */
  const WRONG = /sonoque|OBXXXX1A_expb/;
  test.each(files.filter(({ name }) => !WRONG.test(name)))('$name', async ({ path }) => {
    const image = framesOf(path);
    const answer = execFileSync(PYTHON, ['-c', SCRIPT, path], {
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect([0, 4, 8].map((at) => answer.readInt32LE(at))).toEqual([image.frames, image.rows, image.columns]);
    let at = 12;
    for (const index of shown(image)) {
      const { data } = await decodeFrame(image, index);
      const theirs = answer.subarray(at, at + data.length);
      expect(largestDifference(data, theirs)).toBeLessThanOrEqual(image.coding === 'jpeg' ? 2 : 0);
      at += data.length;
    }
  });
});
