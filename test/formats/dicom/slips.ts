/**
 * Sound objects with one slip each, as real writers make them: what a reader has to see through, and the frames that
 * are right. Numbers of frames, doubled elements, header slips, palettes, odd columns.
 */
import {
  element,
  Encapsulated,
  encapsulate,
  encodeAs,
  encodeRle,
  SYNTAXES,
  TAG,
  ultrasoundElements,
  type UltrasoundFile,
  type WriterElement,
} from '../../dicom-writer.ts';
import { COLUMNS, jpegOf, palette, picture, ROWS } from './corpus.ts';
import { encodeJpeg2000, encodeJpegLossless, encodeJpegLs } from './encoders.ts';

export interface Slip {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The frames that are there: [rows, columns, channels] each. */
  readonly frames: readonly Uint8Array[];
  /** Largest difference to them that lossy coding makes; 0 otherwise. */
  readonly tolerance: number;
}

type Coding = 'implicit' | 'explicit' | 'big-endian';
type Part = Partial<UltrasoundFile> & Pick<UltrasoundFile, 'frames'>;

const META: readonly WriterElement[] = [
  element(0x00020001, 'OB', Uint8Array.of(0, 1)),
  element(0x00020002, 'UI', '1.2.840.10008.5.1.4.1.1.3.1'),
  element(0x00020003, 'UI', '2.25.1'),
];
export const metaOf = (uid: string | null): readonly WriterElement[] => [
  ...META,
  ...(uid === null ? [] : [element(0x00020010, 'UI', uid)]),
  element(0x00020012, 'UI', '2.25.2'),
];

/** Preamble, mark and the group of `meta` under its length. */
export function headOf(meta: readonly WriterElement[], as: Coding = 'explicit', length?: number): Buffer {
  const group = encodeAs(meta, as);
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    encodeAs([element(0x00020000, 'UL', length ?? group.length)], as),
    group,
  ]);
}

/** Elements of an object in ascending order, the last of equal ones only. */
export function objectOf(part: Part): WriterElement[] {
  const all = ultrasoundElements({ rows: ROWS, columns: COLUMNS, frameTime: 40, regions: REGIONS, ...part });
  return [...new Map(all.map((one) => [one.tag, one])).values()].sort((a, b) => a.tag - b.tag);
}
const REGIONS = [{ x0: 1, y0: 2, x1: 20, y1: 15 }];

const without = (elements: readonly WriterElement[], ...tags: number[]): WriterElement[] =>
  elements.filter(({ tag }) => !tags.includes(tag));
const withOne = (elements: readonly WriterElement[], one: WriterElement): WriterElement[] =>
  [...without(elements, one.tag), one].sort((a, b) => a.tag - b.tag);

/** Elements as they are before a tag, something else, and the rest. */
export function inserted(
  elements: readonly WriterElement[],
  before: number,
  bytes: Uint8Array,
  as: Coding = 'explicit',
): Buffer {
  const [first, rest] = [
    elements.filter(({ tag }) => tag < before),
    elements.filter(({ tag }) => tag >= before),
  ];
  return Buffer.concat([encodeAs(first, as), bytes, encodeAs(rest, as)]);
}

const three = [1, 2, 3].map((seed) => picture(1, 8, seed).data);
const NUMBER = TAG.NumberOfFrames;

function numbered(elements: readonly WriterElement[], declared: string | null): WriterElement[] {
  return declared === null ? without(elements, NUMBER) : withOne(elements, element(NUMBER, 'IS', declared));
}

/** Another number of frames than there are. */
export async function wrongNumbers(): Promise<Slip[]> {
  const slips: Slip[] = [];
  const declaredNumbers = [null, '', '0', '1', '2', '5'];
  for (const as of ['explicit', 'implicit', 'big-endian'] as const)
    for (const declared of declaredNumbers)
      slips.push({
        name: `01 native ${as}, ${declared === null ? 'no number' : `'${declared}'`} of 3`,
        bytes: Buffer.concat([
          headOf(metaOf(SYNTAXES[as])),
          encodeAs(numbered(objectOf({ frames: three }), declared), as),
        ]),
        ...{ frames: three, tolerance: 0 },
      });
  const half = Buffer.concat([three[0]!, three[1]!, three[2]!.subarray(0, 100)]);
  for (const declared of [null, '1', '3'])
    slips.push({
      name: `01 native, ${declared ?? 'no number'} of 2 and a part`,
      bytes: Buffer.concat([
        headOf(metaOf(SYNTAXES.explicit)),
        encodeAs(
          withOne(numbered(objectOf({ frames: three }), declared), element(TAG.PixelData, 'OB', half)),
        ),
      ]),
      ...{ frames: three.slice(0, 2), tolerance: 0 },
    });
  const pictures = [1, 2, 3].map((seed) => picture(1, 8, seed));
  const all = async (encode: (one: (typeof pictures)[0]) => Promise<Uint8Array> | Uint8Array) =>
    Promise.all(pictures.map(async (one) => encode(one)));
  const layout = { pixels: ROWS * COLUMNS, samples: 1, bytes: 1, planar: 0 } as const;
  const codings = [
    ['jpeg-baseline', await all((one) => jpegOf(one, { quality: 100 })), 3],
    ['jpeg-lossless-sv1', await all((one) => encodeJpegLossless(one)), 0],
    ['jpeg-ls', await all((one) => encodeJpegLs(one)), 0],
    ['jpeg-2000-lossless', await all((one) => encodeJpeg2000(one)), 0],
    ['rle', await all((one) => encodeRle(one.data, layout)), 0],
  ] as const;
  for (const [syntax, coded, tolerance] of codings) {
    const object = objectOf({ frames: three });
    const make = (form: string, declared: string | null, value: Encapsulated, more: WriterElement[] = []) =>
      slips.push({
        name: `01 ${syntax}, ${declared ?? 'no number'} of 3, ${form}`,
        bytes: Buffer.concat([
          headOf(metaOf(SYNTAXES[syntax])),
          encodeAs([
            ...without(numbered(object, declared), TAG.PixelData),
            ...more,
            element(TAG.PixelData, 'OB', value),
          ]),
        ]),
        ...{ frames: three, tolerance },
      });
    for (const declared of [null, '1', '2', '5'])
      for (const pieces of syntax === 'rle' ? [1] : [1, 3]) {
        make(`${pieces} a frame, no table`, declared, encapsulate(coded, { fragmentsPerFrame: pieces }));
        make(
          `${pieces} a frame, table`,
          declared,
          encapsulate(coded, { fragmentsPerFrame: pieces, offsetTable: true }),
        );
        // A table as long as the number that is declared.
        if (declared !== null && declared !== '5') {
          const count = Number(declared);
          const value = Buffer.from(encapsulate(coded, { fragmentsPerFrame: pieces, offsetTable: true }));
          const short = Buffer.concat([value.subarray(0, 8 + 4 * count), value.subarray(8 + 12)]);
          short.writeUInt32LE(4 * count, 4);
          make(`${pieces} a frame, table of ${count}`, declared, new Encapsulated([short]));
        }
      }
    const offsets = Buffer.alloc(24);
    const lengths = Buffer.alloc(24);
    coded.reduce((at, one, i) => {
      offsets.writeBigUInt64LE(BigInt(at), 8 * i);
      lengths.writeBigUInt64LE(BigInt(one.length), 8 * i);
      return at + 8 + one.length + (one.length % 2);
    }, 0);
    for (const declared of [null, '1', '5'])
      make('extended table', declared, encapsulate(coded), [
        element(0x7fe00001, 'OV', offsets),
        element(0x7fe00002, 'OV', lengths),
      ]);
  }
  return slips;
}

/** Elements that stand twice. */
export function doubledElements(): Slip[] {
  const object = objectOf({ frames: three });
  const sound = { frames: three, tolerance: 0 };
  const head = headOf(metaOf(SYNTAXES.explicit));
  const full = headOf(metaOf(SYNTAXES.explicit)).subarray(132);
  const jpeg = headOf(metaOf(SYNTAXES['jpeg-baseline'])).subarray(132);
  const body = encodeAs(object);
  const twice = (one: WriterElement, before: number): Buffer => inserted(object, before, encodeAs([one]));
  const region = object.find(({ tag }) => tag === TAG.SequenceOfUltrasoundRegions)!;
  const items = region.value as readonly (readonly WriterElement[])[];
  const inItem: Buffer = encodeAs([...items[0]!, element(0x0018601c, 'UL', 9)]);
  const item = Buffer.concat([Buffer.from('feff00e000000000', 'hex'), inItem]);
  item.writeUInt32LE(inItem.length, 4);
  return [
    { name: '02 second meta group, explicit', bytes: Buffer.concat([head, full, body]), ...sound },
    {
      name: '02 second meta group, implicit in an explicit file',
      bytes: Buffer.concat([head, encodeAs(metaOf(SYNTAXES.explicit), 'implicit'), body]),
      ...sound,
    },
    {
      name: '02 second meta group, explicit in an implicit file',
      bytes: Buffer.concat([headOf(metaOf(SYNTAXES.implicit)), full, encodeAs(object, 'implicit')]),
      ...sound,
    },
    {
      name: '02 second meta group, implicit in an implicit file',
      bytes: Buffer.concat([
        headOf(metaOf(SYNTAXES.implicit)),
        encodeAs(metaOf(SYNTAXES.implicit), 'implicit'),
        encodeAs(object, 'implicit'),
      ]),
      ...sound,
    },
    {
      name: '02 second meta group that names another syntax',
      bytes: Buffer.concat([head, jpeg, body]),
      ...sound,
    },
    {
      name: '02 one meta element once more',
      bytes: Buffer.concat([head, encodeAs([element(0x00020010, 'UI', SYNTAXES.explicit)]), body]),
      ...sound,
    },
    {
      name: '02 meta group within the data set',
      bytes: Buffer.concat([head, inserted(object, 0x00100000, full)]),
      ...sound,
    },
    {
      name: '02 Patient ID twice, the same',
      bytes: Buffer.concat([head, twice(element(TAG.PatientID, 'LO', 'patient'), 0x00100020)]),
      ...sound,
    },
    {
      name: '02 Patient ID twice, the second another',
      bytes: Buffer.concat([head, twice(element(TAG.PatientID, 'LO', 'other'), 0x00100021)]),
      ...sound,
    },
    {
      name: '02 Rows twice, the same, out of order',
      bytes: Buffer.concat([head, twice(element(TAG.Rows, 'US', ROWS), 0x7fe00010)]),
      ...sound,
    },
    {
      name: '02 twice in an item',
      bytes: Buffer.concat([
        head,
        encodeAs(withOne(object, element(TAG.SequenceOfUltrasoundRegions, 'SQ', item))),
      ]),
      ...sound,
    },
    {
      name: '02 the whole group 0010 twice, implicit file',
      bytes: Buffer.concat([
        headOf(metaOf(SYNTAXES.implicit)),
        inserted(
          object,
          0x00110000,
          encodeAs([element(TAG.PatientID, 'LO', 'patient')], 'implicit'),
          'implicit',
        ),
      ]),
      ...sound,
    },
  ];
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** Headers that break the rules of the encoding in one place. */
export async function headerSlips(): Promise<Slip[]> {
  const object = objectOf({ frames: three });
  const sound = { frames: three, tolerance: 0 };
  const head = headOf(metaOf(SYNTAXES.explicit));
  const body = encodeAs(object);
  const implicitBody = encodeAs(object, 'implicit');
  const bigBody = encodeAs(object, 'big-endian');
  const slip = (name: string, ...parts: Uint8Array[]): Slip => ({
    ...{ name: `03 ${name}`, bytes: Buffer.concat(parts) },
    ...sound,
  });
  const bare = (bytes: Buffer): Buffer => bytes.subarray(132);
  const lossless = encapsulate([1, 2, 3].map((seed) => encodeJpegLossless(picture(1, 8, seed))));
  const j2k = encapsulate(await Promise.all([1, 2, 3].map((seed) => encodeJpeg2000(picture(1, 8, seed)))));
  const layout = { pixels: ROWS * COLUMNS, samples: 1, bytes: 1, planar: 0 } as const;
  const rle = encapsulate(three.map((frame) => encodeRle(frame, layout)));
  const coded = (value: Encapsulated): Buffer =>
    encodeAs(withOne(object, element(TAG.PixelData, 'OB', value)));
  const undefinedLengths = object.map((one) =>
    one.tag === TAG.SequenceOfUltrasoundRegions ? { ...one, undefinedLength: true } : one,
  );
  const odd = element(0x00091002, 'LO', 'abc');
  const oddLength = encodeAs([odd]).subarray(0, -1);
  oddLength.writeUInt16LE(3, 6);
  return [
    slip('meta group implicit', headOf(metaOf(SYNTAXES.explicit), 'implicit'), body),
    slip('meta group implicit, no preamble', bare(headOf(metaOf(SYNTAXES.explicit), 'implicit')), body),
    slip('meta group implicit, implicit file', headOf(metaOf(SYNTAXES.implicit), 'implicit'), implicitBody),
    slip(
      'meta group implicit, JPEG',
      headOf(metaOf(SYNTAXES['jpeg-lossless-sv1']), 'implicit'),
      coded(lossless),
    ),
    slip('no preamble', bare(head), body),
    slip('no meta group, explicit', body),
    slip('no meta group, implicit', implicitBody),
    slip('preamble and mark, no meta group', head.subarray(0, 132), body),
    slip('preamble and mark, no meta group, implicit', head.subarray(0, 132), implicitBody),
    slip('no transfer syntax, explicit', headOf(metaOf(null)), body),
    slip('no transfer syntax, implicit', headOf(metaOf(null)), implicitBody),
    slip('no transfer syntax, big-endian', headOf(metaOf(null)), bigBody),
    slip('empty transfer syntax', headOf(metaOf('')), body),
    slip('no transfer syntax, JPEG', headOf(metaOf(null)), coded(lossless)),
    slip('no transfer syntax, JPEG 2000', headOf(metaOf(null)), coded(j2k)),
    slip('no transfer syntax, RLE', headOf(metaOf(null)), coded(rle)),
    slip('native declared, JPEG there', head, coded(lossless)),
    slip('native declared, RLE there', head, coded(rle)),
    slip('RLE declared, JPEG there', headOf(metaOf(SYNTAXES.rle)), coded(lossless)),
    slip('JPEG declared, JPEG 2000 there', headOf(metaOf(SYNTAXES['jpeg-baseline'])), coded(j2k)),
    slip('group length too small', headOf(metaOf(SYNTAXES.explicit), 'explicit', 20), body),
    slip('group length 0', headOf(metaOf(SYNTAXES.explicit), 'explicit', 0), body),
    slip('group length too large', headOf(metaOf(SYNTAXES.explicit), 'explicit', 400), body),
    slip('explicit declared, implicit there', head, implicitBody),
    slip('implicit declared, explicit there', headOf(metaOf(SYNTAXES.implicit)), body),
    slip('big-endian declared, little there', headOf(metaOf(SYNTAXES['big-endian'])), body),
    slip('little declared, big-endian there', head, bigBody),
    slip(
      'private element without VR',
      head,
      inserted(object, 0x00100000, hex('0900 0110 06000000 414243444546')),
    ),
    slip('private element without VR, short', head, inserted(object, 0x00100000, hex('0900 0110 00000000'))),
    slip(
      'two private elements without VR',
      head,
      inserted(object, 0x00100000, hex('0900 0110 06000000 414243444546 0900 0210 02000000 4142')),
    ),
    slip(
      'private sequence without VR',
      head,
      inserted(object, 0x00100000, hex('0900 0110 ffffffff feff00e0 00000000 feffdde0 00000000')),
    ),
    slip(
      'standard element without VR',
      head,
      encodeAs(object.filter(({ tag }) => tag < TAG.Rows)),
      hex('2800 1000 02000000 1200'),
      encodeAs(object.filter(({ tag }) => tag > TAG.Rows)),
    ),
    slip(
      'first element without VR',
      head,
      encodeAs(object.slice(0, 1), 'implicit'),
      encodeAs(object.slice(1)),
    ),
    slip(
      'element with a VR in an implicit file',
      headOf(metaOf(SYNTAXES.implicit)),
      inserted(object, 0x00100000, hex('0900 0110 4c4f 0600 414243444546'), 'implicit'),
    ),
    slip('VR ox, long', head, inserted(object, 0x00100000, hex('0900 0110 6f78 0000 06000000 414243444546'))),
    slip('VR ox, short', head, inserted(object, 0x00100000, hex('0900 0110 6f78 0600 414243444546'))),
    slip('VR ??, long', head, inserted(object, 0x00100000, hex('0900 0110 3f3f 0000 06000000 414243444546'))),
    slip('VR ??, short', head, inserted(object, 0x00100000, hex('0900 0110 3f3f 0600 414243444546'))),
    slip('VR ZZ, long', head, inserted(object, 0x00100000, hex('0900 0110 5a5a 0000 06000000 414243444546'))),
    slip('VR ZZ, short', head, inserted(object, 0x00100000, hex('0900 0110 5a5a 0600 414243444546'))),
    slip('VR blanks, short', head, inserted(object, 0x00100000, hex('0900 0110 2020 0600 414243444546'))),
    slip(
      'VR zeros, long',
      head,
      inserted(object, 0x00100000, hex('0900 0110 0000 0000 06000000 414243444546')),
    ),
    slip('VR lo for LO', head, inserted(object, 0x00100000, hex('0900 0110 6c6f 0600 414243444546'))),
    slip(
      'pixel data without VR',
      head,
      encodeAs(without(object, TAG.PixelData)),
      encodeAs(object.slice(-1), 'implicit'),
    ),
    slip(
      'compressed pixel data of a defined length',
      headOf(metaOf(SYNTAXES['jpeg-lossless-sv1'])),
      encodeAs(without(object, TAG.PixelData)),
      encodeAs([{ tag: TAG.PixelData, vr: 'OB', value: Uint8Array.from(lossless) }]),
    ),
    slip('odd length', head, inserted(object, 0x00100000, oddLength)),
    slip('undefined lengths', head, encodeAs(undefinedLengths)),
    slip(
      'items implicit in an explicit file',
      head,
      inserted(
        without(object, TAG.SequenceOfUltrasoundRegions),
        0x00200000,
        encodeAs([
          {
            tag: TAG.SequenceOfUltrasoundRegions,
            vr: 'SQ',
            value: encodeAs(
              object.filter(({ tag }) => tag === TAG.SequenceOfUltrasoundRegions),
              'implicit',
            ).subarray(8),
          },
        ]),
      ),
    ),
    slip('trailing zeros', head, body, Buffer.alloc(1024)),
    slip('trailing padding element', head, body, hex('fcfffcff 4f420000 04000000 00000000')),
    slip('trailing garbage', head, body, Buffer.alloc(777, 0x5a)),
    slip(
      'command set before the data set',
      head,
      hex('00000000 04000000 0a000000 00000001 02000000 0100'),
      body,
    ),
  ];
}

/** Palettes: 16-bit levels; only their high bytes can be shown. */
export function palettes(): Slip[] {
  const levels = (index: number, channel: number): number => ((index * (channel + 2)) & 0xff) * 0x101;
  const high = palette(levels, 8);
  const frame = three[0]!;
  const shown = Uint8Array.from(
    { length: 3 * frame.length },
    (_, i) => levels(frame[Math.floor(i / 3)]!, i % 3) >> 8,
  );
  const made = (
    name: string,
    elements: readonly WriterElement[],
    frames: readonly Uint8Array[] = [shown],
    as: Coding = 'explicit',
  ) => ({
    name: `04 ${name}`,
    bytes: Buffer.concat([
      headOf(metaOf(SYNTAXES[as])),
      encodeAs(
        [...elements].reduce(
          (set, one) => withOne(set, one),
          objectOf({ frames: [frame], photometric: 'PALETTE COLOR' }),
        ),
        as,
      ),
    ]),
    ...{ frames, tolerance: 0 },
  });
  const described = (descriptor: readonly number[], tables = high): WriterElement[] =>
    tables.map((one) => (one.vr === 'US' ? { ...one, value: descriptor } : one));
  const wide = palette(levels, 16);
  const upTo = (count: number): Uint8Array =>
    Uint8Array.from(
      { length: 3 * frame.length },
      (_, i) => levels(Math.min(count - 1, frame[Math.floor(i / 3)]!), i % 3) >> 8,
    );
  const cut = (count: number, size: number): WriterElement[] =>
    (size === 1 ? high : wide).map((one) =>
      one.vr === 'US' ? one : { ...one, value: (one.value as Uint8Array).subarray(0, count * size) },
    );
  const twelve = palette((index, channel) => levels(index, channel) >> 4, 16);
  return [
    made('16 declared, 8 stored', described([256, 0, 16])),
    made('12 declared, 8 stored', described([256, 0, 12])),
    made('10 declared, 8 stored', described([256, 0, 10])),
    made('16 declared, 8 stored, implicit', described([256, 0, 16]), [shown], 'implicit'),
    made('8 declared, 16 stored', described([256, 0, 8], wide)),
    made('12 declared, 12 of 16 stored', described([256, 0, 12], twelve)),
    made(
      '8 declared, 16 stored in high bytes',
      described(
        [256, 0, 8],
        palette((index, channel) => levels(index, channel) & 0xff00, 16),
      ),
    ),
    made('0 bits declared, 8 stored', described([256, 0, 0])),
    made('0 bits declared, 16 stored', described([256, 0, 0], wide)),
    made('entries 0 declared, 256 of 16 stored', described([0, 0, 16], wide)),
    made('entries 0 declared, 256 of 8 stored', described([0, 0, 8])),
    made('entries 255 declared, 256 of 16 stored', described([255, 0, 16], wide)),
    made('entries 512 declared, 256 of 16 stored', described([512, 0, 16], wide)),
    made('entries 256 declared, 200 of 16 stored', described([256, 0, 16], cut(200, 2)), [upTo(200)]),
    made('entries 256 declared, 200 of 8 stored', described([256, 0, 8], cut(200, 1)), [upTo(200)]),
    made('first value 0 declared, trailing bytes', described([200, 0, 16], cut(200, 2)), [upTo(200)]),
  ];
}

type Pixel = readonly [y: number, cb: number, cr: number];

/** BT.601 from its definition, full range or with headroom. */
function rgbOf(pixels: readonly Pixel[], isPartial: boolean): Uint8Array {
  const shown = new Uint8ClampedArray(3 * pixels.length);
  pixels.forEach(([luma, cb, cr], i) => {
    const y = isPartial ? ((luma - 16) * 255) / 219 : luma;
    const [blue, red] = [cb, cr].map((value) => (value - 128) * (isPartial ? 255 / 224 : 1)) as [
      number,
      number,
    ];
    shown.set([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], 3 * i);
  });
  return Uint8Array.from(shown);
}

/** 4:2:2 with an odd number of columns: padded rows, rows without a gap, every sample written. */
export function oddColumns(): Slip[] {
  const [rows, columns] = [6, 7];
  const luma = (x: number, y: number, frame: number): number => 40 + ((29 * x + 53 * y + 71 * frame) % 160);
  const cb = (pair: number, frame: number): number => 100 + ((17 * pair + frame) % 60);
  const cr = (pair: number, frame: number): number => 110 + ((23 * pair + 5 * frame) % 40);
  const places = Array.from(
    { length: rows * columns },
    (_, i) => [i % columns, Math.floor(i / columns)] as const,
  );
  const pairsOf = (pixels: readonly Pixel[]): number[] =>
    Array.from({ length: Math.ceil(pixels.length / 2) }, (_, pair) => {
      const [first, second = first] = [pixels[2 * pair]!, pixels[2 * pair + 1]];
      return [first[0], second[0], first[1], first[2]];
    }).flat();
  const ways = {
    'padded rows': (frame: number) => {
      const perRow = (columns + 1) / 2;
      const pixels = places.map(([x, y]): Pixel => {
        const pair = y * perRow + (x >> 1);
        return [luma(x, y, frame), cb(pair, frame), cr(pair, frame)];
      });
      const lines = Array.from({ length: rows }, (_, y) => pixels.slice(y * columns, (y + 1) * columns));
      return { pixels, stored: lines.flatMap(pairsOf) };
    },
    'rows without a gap': (frame: number) => {
      const pixels = places.map(([x, y], i): Pixel => [
        luma(x, y, frame),
        cb(i >> 1, frame),
        cr(i >> 1, frame),
      ]);
      return { pixels, stored: pairsOf(pixels) };
    },
    'every sample': (frame: number) => {
      const pixels = places.map(([x, y], i): Pixel => [luma(x, y, frame), cb(i, frame), cr(i, frame)]);
      return { pixels, stored: pixels.flat() };
    },
  } as const;
  return (['YBR_FULL_422', 'YBR_PARTIAL_422'] as const).flatMap((photometric) =>
    Object.entries(ways).flatMap(([way, make]) =>
      (
        [
          [1, '1'],
          [3, '3'],
          [3, null],
          [2, '2'],
        ] as const
      ).flatMap(([count, declared]) =>
        // Planes have no meaning where samples share their colours.
        (way === 'every sample' ? [0] : [0, 1]).map((planar) => {
          const made = Array.from({ length: count }, (_, frame) => make(frame));
          const object = numbered(
            objectOf({
              ...{ rows, columns, samples: 3, photometric, planar: planar as 0 | 1 },
              frames: made.map(({ stored }) => Uint8Array.from(stored)),
            }),
            declared,
          );
          return {
            name: `05 ${photometric}, ${way}, ${declared ?? 'no number'} of ${count}, planar ${planar}`,
            bytes: Buffer.concat([headOf(metaOf(SYNTAXES.explicit)), encodeAs(object)]),
            frames: made.map(({ pixels }) => rgbOf(pixels, photometric === 'YBR_PARTIAL_422')),
            tolerance: 0,
          };
        }),
      ),
    ),
  );
}
