/** Objects with one slip give the frames that are in them, and say what was odd. */
import { describe, expect, test } from 'vitest';
import { decodeFrame } from '../../../src/formats/dicom/decode.ts';
import { imageOf, type DicomFrames } from '../../../src/formats/dicom/image.ts';
import { readDicom, type DicomObject } from '../../../src/formats/dicom/read.ts';
import { itemsOf, numberOf, textOf } from '../../../src/formats/dicom/values.ts';
import { element, encodeAs, SYNTAXES, TAG, writeUltrasound } from '../../dicom-writer.ts';
import { failure } from '../../failures.ts';
import { picture } from './corpus.ts';
import {
  doubledElements,
  headerSlips,
  headOf,
  inserted,
  metaOf,
  objectOf,
  oddColumns,
  palettes,
  type Slip,
  wrongNumbers,
} from './slips.ts';

function imageFrom(bytes: Uint8Array): DicomFrames {
  const image = imageOf(readDicom(bytes));
  if (image.kind !== 'frames') throw new Error('expected frames');
  return image;
}

async function expectFrames({ bytes, frames, tolerance, name }: Slip): Promise<void> {
  const image = imageFrom(bytes);
  expect(image.frames, name).toBe(frames.length);
  for (const [index, wanted] of frames.entries()) {
    const { data } = await decodeFrame(image, index);
    expect(data.length, name).toBe(wanted.length);
    const largest = data.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
    expect(largest, `${name}, frame ${index}`).toBeLessThanOrEqual(tolerance);
  }
}

const three = [1, 2, 3].map((seed) => picture(1, 8, seed).data);
const head = headOf(metaOf(SYNTAXES.explicit));

describe('the frames that are there are read', () => {
  test.each([
    ['whatever number is declared', wrongNumbers],
    ['where elements stand twice', doubledElements],
    ['where the header slips', headerSlips],
    ['through palettes whose descriptor lies', palettes],
    ['with an odd number of columns', oddColumns],
  ])('%s', async (_, make) => {
    const slips = await make();
    expect(slips.length).toBeGreaterThan(10);
    for (const slip of slips) await expectFrames(slip);
  });

  test('each with its header cut to any part: more is asked for, or the same is read', async () => {
    for (const { name, bytes } of [...doubledElements(), ...(await headerSlips())]) {
      const whole = readDicom(bytes, { upTo: 'pixels' });
      const start = whole.elements.get(TAG.PixelData)!.start;
      expect(start, name).toBeGreaterThan(0);
      for (let length = 0; length <= start; length++) {
        const part = bytes.subarray(0, length);
        let read: DicomObject;
        try {
          read = readDicom(part, { upTo: 'pixels' });
        } catch (thrown) {
          // Too short to be known as DICOM at all, or cut within something.
          expect(thrown, `${name} at ${length}`).toMatchObject({
            code: expect.stringMatching(/^DICOM_(TRUNCATED|NOT_DICOM)$/) as string,
          });
          continue;
        }
        for (const [tag, { start: at, end }] of read.elements)
          if (tag !== TAG.PixelData)
            expect([at, end], `${name} at ${length}`).toEqual([
              whole.elements.get(tag)?.start,
              whole.elements.get(tag)?.end,
            ]);
      }
    }
  });
});

describe('what is declared stays known', () => {
  const declared = (value: string): number | undefined =>
    imageFrom(
      writeUltrasound({
        rows: 18,
        columns: 24,
        frames: three,
        elements: [element(TAG.NumberOfFrames, 'IS', value)],
      }),
    ).declaredFrames;

  test('and what is no number of frames is none', () => {
    expect([declared('5'), declared('2'), declared('2147483647')]).toEqual([5, 2, 2147483647]);
    for (const nonsense of ['', '0', '-1', '1.5', 'x', '1e20']) expect(declared(nonsense)).toBeUndefined();
  });
});

describe('of an element that stands twice', () => {
  const twice = (tag: number, vr: string, value: string, before: number): DicomObject =>
    readDicom(
      Buffer.concat([
        head,
        inserted(objectOf({ frames: three }), before, encodeAs([element(tag, vr, value)])),
      ]),
    );

  test('the first value counts, unless it is empty', () => {
    const second = twice(TAG.PatientID, 'LO', 'other', 0x00100021);
    expect(textOf(second, 'PatientID')).toBe('patient');
    expect([...second.slips]).toEqual(['doubled-elements']);
    expect(second.repeated).toHaveLength(1);
    expect(textOf(twice(TAG.PatientID, 'LO', 'other', 0x00100020), 'PatientID')).toBe('other');
    expect(textOf(twice(TAG.PatientID, 'LO', '', 0x00100020), 'PatientID')).toBe('patient');
  });

  test('the first value counts in a sequence too', () => {
    const slip = doubledElements().find(({ name }) => name.includes('in an item'))!;
    const [item] = itemsOf(readDicom(slip.bytes), 'SequenceOfUltrasoundRegions');
    expect(numberOf(item!, 'RegionLocationMaxX1')).toBe(20);
    expect([...item!.slips]).toEqual(['doubled-elements']);
  });

  test('the first meta group names the syntax', () => {
    const slip = doubledElements().find(({ name }) => name.includes('another syntax'))!;
    expect(readDicom(slip.bytes).syntax.name).toBe('Explicit VR Little Endian');
  });

  test('a hundred thousand are too many', () => {
    const many = Buffer.concat(Array<Buffer>(100_001).fill(encodeAs([element(TAG.PatientID, 'LO', 'x')])));
    expect(failure(() => readDicom(Buffer.concat([head, many]))).code).toBe('DICOM_INVALID');
  });
});

describe('slips in the header', () => {
  test('are told by kind, and a sound file has none', async () => {
    const slips = await headerSlips();
    const of = (name: string): string[] => [
      ...readDicom(slips.find((one) => one.name === `03 ${name}`)!.bytes).slips,
    ];
    expect([...readDicom(Buffer.concat([head, encodeAs(objectOf({ frames: three }))])).slips]).toEqual([]);
    expect(of('private element without VR')).toEqual(['no-representation']);
    expect(of('meta group implicit')).toEqual(['no-representation']);
    expect(of('VR ox, long')).toEqual(['no-representation']);
    expect(of('no transfer syntax, explicit')).toEqual(['other-encoding']);
    expect(of('explicit declared, implicit there')).toEqual(['other-encoding']);
    expect(of('little declared, big-endian there')).toEqual(['other-encoding']);
    expect(of('no meta group, implicit')).toEqual([]);
    expect(of('trailing zeros')).toEqual([]);
  });

  test('that leave no way to go on are named with their place', () => {
    const hopeless = Buffer.concat([
      head,
      inserted(objectOf({ frames: three }), 0x00100000, Buffer.from('090001106f78ffff41424344', 'hex')),
    ]);
    expect(failure(() => readDicom(hopeless))).toMatchObject({
      code: 'DICOM_INVALID',
      message: expect.stringContaining('(0009,1001)') as string,
    });
  });
});
