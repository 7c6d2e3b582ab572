/** Elements, encodings, descriptions and timing; and what is refused, with which reason. */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { UsclError } from '../../../src/base/errors.ts';
import { randomAt } from '../../../src/base/random.ts';
import { imageOf, type DicomImage } from '../../../src/formats/dicom/image.ts';
import { HEAD_BYTES, isDicom, readDicom } from '../../../src/formats/dicom/read.ts';
import { hasValue, itemsOf, numberOf, numbersOf, textOf } from '../../../src/formats/dicom/values.ts';
import {
  element,
  SYNTAXES,
  TAG,
  writeDicom,
  writeUltrasound,
  type UltrasoundFile,
  type WriterElement,
} from '../../dicom-writer.ts';
import { failure } from '../../failures.ts';

const SMALL = { rows: 2, columns: 3, frames: [Uint8Array.of(1, 2, 3, 4, 5, 6)] };
const ENCODINGS = ['implicit', 'explicit', 'big-endian', 'deflated'] as const;

function describeFile(part: Partial<UltrasoundFile>): DicomImage {
  return imageOf(readDicom(writeUltrasound({ ...SMALL, ...part })));
}

describe('elements', () => {
  const elements = [
    element(TAG.PatientID, 'LO', 'Müller^7'),
    element(0x00281056, 'CS', 'ORIGINAL\\PRIMARY '),
    element(TAG.FrameTimeVector, 'DS', '0\\33.5\\ 1e1\\x'),
    element(TAG.RecommendedDisplayFrameRate, 'IS', ''),
    element(0x00090010, 'LO', 'PRIVATE'),
    element(0x00091001, 'OB', Uint8Array.of(1, 2, 3)),
    element(TAG.FrameIncrementPointer, 'AT', TAG.FrameTime),
  ];
  const regions = [
    { x0: 3, y0: 4, x1: 70_000, y1: 6 },
    { x0: 1, y0: 1, x1: 2, y1: 2, dataType: 3 },
  ];

  test.each(ENCODINGS)('%s: text, numbers and sequences come out as they went in', (syntax) => {
    const object = readDicom(writeUltrasound({ ...SMALL, syntax, elements, regions }));
    expect(textOf(object, 'PatientID')).toBe('Müller^7');
    expect(textOf(object, 'VOILUTFunction')).toBe('ORIGINAL\\PRIMARY');
    expect(numbersOf(object, 'FrameTimeVector', 10)).toEqual([0, 33.5, 10, NaN]);
    expect(numbersOf(object, 'FrameTimeVector', 2)).toEqual([0, 33.5]);
    expect(numberOf(object, 'FrameIncrementPointer')).toBe(TAG.FrameTime);
    expect([hasValue(object, 'RecommendedDisplayFrameRate'), hasValue(object, 'Rows')]).toEqual([
      false,
      true,
    ]);
    const items = itemsOf(object, 'SequenceOfUltrasoundRegions');
    expect(items.map((item) => numberOf(item, 'RegionLocationMaxX1'))).toEqual([70_000, 2]);
    expect(items.map((item) => numberOf(item, 'PhysicalDeltaX'))).toEqual([0.05, 0.05]);
    expect(object.elements.get(0x00091001)?.end).toBeGreaterThan(0);
  });

  test.each(ENCODINGS)('%s: sequences of undefined length, nested ones too, end where they end', (syntax) => {
    const inner = { ...element(0x00400555, 'SQ', [[element(0x00080100, 'SH', 'x')]]), undefinedLength: true };
    const outer = { ...element(0x0018602c, 'FD', 0.25) };
    const sequence: WriterElement = {
      ...element(TAG.SequenceOfUltrasoundRegions, 'SQ', [[outer, inner], []]),
      undefinedLength: true,
    };
    const object = readDicom(writeUltrasound({ ...SMALL, syntax, elements: [sequence] }));
    const items = itemsOf(object, 'SequenceOfUltrasoundRegions');
    expect(items).toHaveLength(2);
    expect(numberOf(items[0]!, 'PhysicalDeltaX')).toBe(0.25);
    expect(numberOf(object, 'Rows')).toBe(2);
  });

  test('a sequence of unknown representation is read as the implicit one it is', () => {
    const item = Buffer.from(
      writeDicom({ syntax: 'implicit', preamble: null, elements: [element(0x0018602c, 'FD', 2)] }),
    );
    const head = Buffer.from('feff00e000000000', 'hex');
    head.writeUInt32LE(item.length, 4);
    const elements = [element(TAG.SequenceOfUltrasoundRegions, 'UN', Buffer.concat([head, item]))];
    const items = itemsOf(readDicom(writeUltrasound({ ...SMALL, elements })), 'SequenceOfUltrasoundRegions');
    expect(items.map((one) => numberOf(one, 'PhysicalDeltaX'))).toEqual([2]);
  });

  test('a data set in another encoding than declared is read in its own', () => {
    for (const [syntax, declared] of [
      ['implicit', SYNTAXES.explicit],
      ['explicit', SYNTAXES.implicit],
    ] as const) {
      const meta = [element(0x00020010, 'UI', declared)];
      const object = readDicom(writeDicom({ syntax, meta, elements: [element(TAG.Rows, 'US', 77)] }));
      expect(numberOf(object, 'Rows')).toBe(77);
    }
  });

  test('the head of a file is enough to plan with, and not to decode from', () => {
    for (const syntax of ['explicit', 'deflated', 'rle'] as const) {
      const random = randomAt(1, 'noise');
      const frames = [Uint8Array.from({ length: 60_000 }, () => random.integer(256))];
      const file = writeUltrasound({ rows: 200, columns: 300, frames, syntax });
      const head = readDicom(file.subarray(0, 4000), { upTo: 'pixels' });
      expect([numberOf(head, 'Rows'), textOf(head, 'PatientID')]).toEqual([200, 'patient']);
      expect(failure(() => imageOf(head)).code).toBe('DICOM_TRUNCATED');
      expect(failure(() => readDicom(file.subarray(0, 4000))).code).toBe('DICOM_TRUNCATED');
    }
  });

  test('a view into a larger buffer is read like bytes of its own', () => {
    const file = writeUltrasound(SMALL);
    const shifted = Buffer.concat([Buffer.alloc(3), file, Buffer.alloc(5)]).subarray(3, 3 + file.length);
    expect(numberOf(readDicom(shifted), 'Rows')).toBe(2);
  });
});

describe('what is DICOM', () => {
  test('with the mark, with any preamble, and without either', () => {
    for (const syntax of ['implicit', 'explicit', 'deflated', 'big-endian'] as const)
      expect(isDicom(writeUltrasound({ ...SMALL, syntax, preamble: 'II*\0' }).subarray(0, HEAD_BYTES))).toBe(
        true,
      );
    for (const syntax of ['implicit', 'explicit'] as const) {
      const bare = writeUltrasound({ ...SMALL, syntax, preamble: null });
      expect(isDicom(bare.subarray(0, HEAD_BYTES))).toBe(true);
      expect(imageOf(readDicom(bare))).toMatchObject({ rows: 2, columns: 3 });
    }
    // Only the preamble and the mark cut off.
    expect(imageOf(readDicom(writeUltrasound(SMALL).subarray(132)))).toMatchObject({ rows: 2 });
  });

  test('and what is not', () => {
    const others = [
      Buffer.alloc(0),
      Buffer.alloc(2000),
      Buffer.from('DICM'),
      Buffer.from('a,b,c\n'.repeat(100)),
      Buffer.from('08000500', 'hex'),
      Buffer.concat([Buffer.from('0800050043530a00', 'hex'), Buffer.alloc(1000, 0x41)]),
      Buffer.concat([Buffer.from('0000001866747970', 'hex'), Buffer.alloc(500)]),
    ];
    for (const bytes of others) {
      expect(isDicom(bytes)).toBe(false);
      expect(failure(() => readDicom(bytes))).toMatchObject({ code: 'DICOM_NOT_DICOM', kind: 'data' });
    }
  });
});

describe('timing', () => {
  const frames = [1, 2, 3].map((value) => new Uint8Array(6).fill(value));
  const timing = (...elements: WriterElement[]): DicomImage['timing'] =>
    describeFile({ frames, elements }).timing;

  test('from Frame Time, Cine Rate or the recommended rate', () => {
    expect(timing(element(TAG.FrameTime, 'DS', '40'))).toEqual({ fps: 25, times: null, isDoubted: false });
    expect(timing(element(TAG.CineRate, 'IS', '30')).fps).toBe(30);
    expect(timing(element(TAG.RecommendedDisplayFrameRate, 'IS', '12')).fps).toBe(12);
    expect(timing()).toEqual({ fps: null, times: null, isDoubted: false });
  });

  test('from a vector of uneven steps; the pointer chooses where both are there', () => {
    const vector = element(TAG.FrameTimeVector, 'DS', '0\\30\\70');
    const time = element(TAG.FrameTime, 'DS', '10');
    expect(timing(vector, time)).toEqual({
      fps: 20,
      times: Float64Array.of(0, 0.03, 0.1),
      isDoubted: false,
    });
    expect(timing(vector, time, element(TAG.FrameIncrementPointer, 'AT', TAG.FrameTime)).fps).toBe(100);
  });

  test('nonsense counts as absent, and what is left is used', () => {
    const rate = element(TAG.CineRate, 'IS', '30');
    for (const value of ['0', '-5', '1e9', 'x', '0.05', '0.0333', '1', '33333', '50000', '60000'])
      expect(timing(element(TAG.FrameTime, 'DS', value), rate)).toEqual({
        fps: 30,
        times: null,
        isDoubted: true,
      });
    expect(timing(element(TAG.FrameTime, 'DS', ''), rate)).toMatchObject({ fps: 30, isDoubted: false });
    for (const value of ['0\\30', '0\\-1\\3', '0\\0\\0', '0\\x\\3', '0\\0.05\\0.05', '0\\50000\\50000'])
      expect(timing(element(TAG.FrameTimeVector, 'DS', value), rate)).toEqual({
        fps: 30,
        times: null,
        isDoubted: true,
      });
    // What stands after the one that is believed is not asked.
    const zero = element(TAG.CineRate, 'IS', '0');
    expect(timing(element(TAG.FrameTime, 'DS', '40'), zero)).toMatchObject({ fps: 25, isDoubted: false });
    for (const value of ['0', '-20', '1000', '20000'])
      for (const tag of [TAG.CineRate, TAG.RecommendedDisplayFrameRate])
        expect(timing(element(tag, 'IS', value))).toEqual({ fps: null, times: null, isDoubted: true });
    expect(timing(element(0x00181242, 'IS', '50'), zero)).toMatchObject({ fps: 20, isDoubted: true });
  });

  test('rates of real scanners are believed', () => {
    for (const fps of [0.5, 1, 5, 24, 60, 200, 500, 900])
      expect(timing(element(TAG.FrameTime, 'DS', String(1000 / fps))).fps).toBeCloseTo(fps, 6);
  });
});

describe('descriptions that cannot be true are refused', () => {
  const code = (part: Partial<UltrasoundFile>): string => failure(() => describeFile(part)).code;
  const with_ = (tag: number, vr: string, value: WriterElement['value']): string =>
    code({ elements: [element(tag, vr, value)] });

  test('size, frames, bits, samples', () => {
    expect(with_(TAG.Rows, 'US', 0)).toBe('DICOM_PIXELS');
    expect(with_(TAG.BitsStored, 'US', 9)).toBe('DICOM_PIXELS');
    expect(with_(TAG.HighBit, 'US', 8)).toBe('DICOM_PIXELS');
    expect(with_(TAG.SamplesPerPixel, 'US', 3)).toBe('DICOM_PIXELS');
    expect(with_(TAG.BitsAllocated, 'US', 32)).toBe('DICOM_UNSUPPORTED');
    expect(with_(TAG.PhotometricInterpretation, 'CS', 'HSV')).toBe('DICOM_UNSUPPORTED');
  });

  test('larger frames than there are bytes, before memory is taken', () => {
    expect(with_(TAG.Rows, 'US', 3)).toBe('DICOM_TRUNCATED');
    expect(code({ rows: 65535, columns: 65535, bits: 16 })).toBe('DICOM_TOO_LARGE');
    for (const syntax of ['rle', 'jpeg-baseline', 'jpeg-lossless', 'jpeg-ls', 'jpeg-2000'])
      expect(code({ rows: 65535, columns: 65535, syntax: SYNTAXES[syntax as 'rle'] })).toBe(
        'DICOM_TOO_LARGE',
      );
  });

  test('fragments where there should be none, and none where there should be', () => {
    const native = [element(TAG.PixelData, 'OB', Uint8Array.of(1, 2, 3, 4, 5, 6))];
    expect(code({ syntax: 'rle', elements: native })).toBe('DICOM_PIXELS');
    const meta = [element(0x00020010, 'UI', SYNTAXES.explicit)];
    const coded = readDicom(writeUltrasound({ ...SMALL, syntax: 'rle' }));
    expect(coded.syntax.pixels).toBe('rle');
    const body = writeUltrasound({ ...SMALL, syntax: 'rle', preamble: null });
    const head = writeDicom({ meta, elements: [] });
    // What the fragments hold is seen; the same with bytes that are no codestream is not.
    expect(imageOf(readDicom(Buffer.concat([head, body])))).toMatchObject({ coding: 'rle', frames: 1 });
    const unknown = Buffer.from(body);
    unknown.fill(0x11, unknown.length - 80, unknown.length - 8);
    expect(failure(() => imageOf(readDicom(Buffer.concat([head, unknown])))).code).toBe('DICOM_PIXELS');
  });

  test('objects without pictures are named for what they are', () => {
    const named = (uid: string): string =>
      failure(() => imageOf(readDicom(writeDicom({ elements: [element(TAG.SOPClassUID, 'UI', uid)] }))))
        .message;
    expect(named('1.2.840.10008.1.3.10')).toContain('DICOMDIR');
    expect(named('1.2.840.10008.5.1.4.1.1.88.33')).toContain('structured report');
    expect(named('1.2.840.10008.5.1.4.1.1.11.1')).toContain('presentation state');
    expect(named('1.2.840.10008.5.1.4.1.1.104.1')).toContain('encapsulated document');
    expect(named('1.2.3')).toContain('of another kind');
  });

  test('unknown transfer syntaxes; private ones are not quoted', () => {
    expect(failure(() => describeFile({ syntax: '1.2.840.10008.1.2.4.94' })).message).toContain('.4.94');
    const secret = failure(() => describeFile({ syntax: '1.3.6.1.4.1.MARKER' }));
    expect(secret.code).toBe('DICOM_UNSUPPORTED');
    expect(secret.describe()).not.toContain('MARKER');
  });

  test('no message holds the text of an attribute', () => {
    const marker = 'MARKER^PATIENT';
    for (const [tag, vr] of [
      [TAG.PhotometricInterpretation, 'CS'],
      [TAG.NumberOfFrames, 'IS'],
      [TAG.SOPClassUID, 'UI'],
    ] as const) {
      const elements = [element(tag, vr, marker), element(TAG.Rows, 'US', 0)];
      expect(failure(() => describeFile({ elements })).describe()).not.toContain('MARKER');
    }
  });
});

describe('hostile structures', () => {
  const bomb = (elements: readonly WriterElement[]): UsclError =>
    failure(() => {
      const object = readDicom(writeDicom({ elements }));
      itemsOf(object, 'SequenceOfUltrasoundRegions');
    });

  test('lengths beyond the end, elements twice, items out of place', () => {
    expect(bomb([{ ...element(TAG.PatientID, 'LO', 'x'), claimedLength: 5000 }]).code).toBe(
      'DICOM_TRUNCATED',
    );
    expect(
      bomb([{ ...element(TAG.PixelData, 'OB', Uint8Array.of(1, 2)), claimedLength: 2 ** 32 - 2 }]).code,
    ).toBe('DICOM_TRUNCATED');
    const twice = Buffer.concat([
      writeUltrasound(SMALL).subarray(0, -14),
      writeUltrasound({ ...SMALL, preamble: null }),
    ]);
    expect(failure(() => readDicom(twice)).code).toMatch(/DICOM_(INVALID|TRUNCATED)/);
    const sequence = element(TAG.SequenceOfUltrasoundRegions, 'SQ', Uint8Array.of(1, 0, 2, 0, 0, 0, 0, 0));
    expect(bomb([sequence]).code).toBe('DICOM_INVALID');
  });

  test('sequences nested two hundred deep, of either kind of length', () => {
    for (const undefinedLength of [true, false]) {
      let nested: WriterElement = element(TAG.SequenceOfUltrasoundRegions, 'SQ', [[]]);
      for (let depth = 0; depth < 200; depth++)
        nested = { ...element(TAG.SequenceOfUltrasoundRegions, 'SQ', [[nested]]), undefinedLength };
      const walk = (): void => {
        let items = itemsOf(readDicom(writeDicom({ elements: [nested] })), 'SequenceOfUltrasoundRegions');
        while (items.length > 0) items = itemsOf(items[0]!, 'SequenceOfUltrasoundRegions');
      };
      expect(failure(walk).code).toBe('DICOM_INVALID');
    }
  });

  test('a million empty elements or items', () => {
    const items = Buffer.alloc(8 * 1_000_000);
    for (let at = 0; at < items.length; at += 8) items.writeUInt32LE(0xe000fffe, at);
    expect(bomb([element(TAG.SequenceOfUltrasoundRegions, 'SQ', items)]).code).toBe('DICOM_INVALID');
    const elements = Buffer.alloc(8 * 1_000_000);
    for (let i = 0; i < 1_000_000; i++) elements.writeUInt32LE(0x0009 + 0x10000 * 2 * (i % 30_000), 8 * i);
    const file = Buffer.concat([writeDicom({ syntax: 'implicit', elements: [] }), elements]);
    expect(failure(() => readDicom(file)).code).toBe('DICOM_INVALID');
  });

  test('a deflated file that would grow without end stops at the limit', () => {
    const meta = [element(0x00020010, 'UI', SYNTAXES.deflated)];
    const file = Buffer.concat([
      writeDicom({ meta, elements: [] }),
      deflateRawSync(Buffer.alloc(200 * 2 ** 20)),
    ]);
    expect(failure(() => readDicom(file)).code).toBe('DICOM_TOO_LARGE');
  });
});
