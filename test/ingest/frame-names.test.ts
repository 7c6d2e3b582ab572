/** Which names are frames of which clip. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readFrameNames } from '../../src/ingest/folders/frame-names.ts';

/** Names of clips and how many frames each has; null for separate pictures. */
function read(files: readonly string[]): Record<string, number> | null {
  const reading = readFrameNames(files);
  if (reading.kind === 'separate') return null;
  return Object.fromEntries(reading.sequences.map(({ name, files: mine }) => [name, mine.length]));
}

const grid = (name: (clip: number, frame: number) => string, clips = 3, frames = 4): string[] =>
  Array.from({ length: clips * frames }, (_, i) => name(Math.floor(i / frames) + 1, i % frames));
const pad = (value: number, width: number): string => String(value).padStart(width, '0');

describe('several clips in a folder', () => {
  test.each([
    ['a patient and a frame', (c: number, f: number) => `cov_patient${c}_frame${f}.png`, 'cov_patient1'],
    ['no words but video and rgb', (c: number, f: number) => `video_${c}_rgb_${f + 1}.png`, 'video_1'],
    ['zero padding', (c: number, f: number) => `p${pad(c, 3)}-${pad(f, 5)}.jpg`, 'p001'],
    ['a date and a number', (c: number, f: number) => `IMG_2020010${c}_${pad(f, 3)}.png`, 'IMG_20200101'],
    ['a date with separators', (c: number, f: number) => `2020-01-0${c} ${pad(f, 3)}.png`, '2020-01-01'],
    ['bare numbers', (c: number, f: number) => `${c}_${f}.png`, '1'],
    ['brackets', (c: number, f: number) => `case ${c} (${f}).png`, 'case 1'],
    ['the frame first', (c: number, f: number) => `frame${f}_patient${c}.png`, 'patient1'],
    ['the frame first, without a word', (c: number, f: number) => `${pad(f, 4)}_patient${c}.png`, 'patient1'],
    [
      'words in capitals run together',
      (c: number, f: number) => `CovPatient${c}Frame${f}.PNG`,
      'CovPatient1',
    ],
    ['words behind the frame', (c: number, f: number) => `v${c}_frame_${f}_crop.png`, 'v1_crop'],
    ['two words for a frame', (c: number, f: number) => `rgb${c}_frame${f}.png`, 'rgb1'],
    ['three numbers', (c: number, f: number) => `p7_video${c}_${f}.png`, 'p7_video1'],
    ['frames and their times', (c: number, f: number) => `clip${c}_frame${f}_t${f * 40}.png`, 'clip1_t'],
  ])('%s: one clip each', (_kind, name, first) => {
    const found = read(grid(name));
    expect(Object.values(found ?? {})).toEqual([4, 4, 4]);
    expect(Object.keys(found ?? {})[0]).toBe(first);
  });

  test('videos of several patients are apart by both numbers', () => {
    const files = [1, 2].flatMap((p) => grid((v, f) => `p${p}_v${v}_f${f}.png`, 2, 3));
    expect(read(files)).toEqual({ p1_v1: 3, p1_v2: 3, p2_v1: 3, p2_v2: 3 });
  });

  test('names whose words differ are parted by what stands around the word frame', () => {
    const files = [
      'Cov-Atlas-Day+1.gif_frame0.jpg',
      'Cov-Atlas-Day+1.gif_frame10.jpg',
      'Cov-Atlas-Day+1.gif_frame9.jpg',
    ];
    const others = ['Reg_mov2_frame3.jpg', 'Reg_mov2_frame4.jpg'];
    const reading = readFrameNames([...files, ...others]);
    expect(reading).toEqual({
      kind: 'sequences',
      sequences: [
        { name: 'Cov-Atlas-Day+1.gif', files: [files[0], files[2], files[1]] },
        { name: 'Reg_mov2', files: others },
      ],
    });
  });

  test('a frame number that stands first is known by counting in ones, not by standing last', () => {
    const files = [17, 23, 29].flatMap((video) => [1, 2, 3, 4, 5].map((f) => `${f}-${video}.png`));
    expect(read(files)).toEqual({ 17: 5, 23: 5, 29: 5 });
  });

  test('frames come in the order of their numbers, and numbers of patients are not rounded to one another', () => {
    const reading = readFrameNames(['a1_f10.png', 'a1_f9.png', 'a01_f3.png', 'a01_f11.png']);
    expect(reading).toMatchObject({
      sequences: [{ files: ['a01_f3.png', 'a01_f11.png'] }, { files: ['a1_f9.png', 'a1_f10.png'] }],
    });
  });

  test('whatever words, separators and padding: the frames of a clip stay together and apart from others', () => {
    const layout = fc.record({
      before: fc.constantFrom('', 'cov_', 'Reg ', 'US-'),
      owner: fc.constantFrom('patient', 'video_', 'p', 'case-', 'subj'),
      between: fc.constantFrom('_frame', '_', '-', '_f', '__rgb_', ' ('),
      padding: fc.constantFrom(1, 3, 6),
      clips: fc.integer({ min: 2, max: 5 }),
      frames: fc.integer({ min: 2, max: 12 }),
      start: fc.constantFrom(0, 1, 7),
    });
    fc.assert(
      fc.property(layout, ({ before, owner, between, padding, clips, frames, start }) => {
        const name = (c: number, f: number): string =>
          `${before}${owner}${c}${between}${pad(f + start, padding)}${between === ' (' ? ')' : ''}.png`;
        const reading = readFrameNames(grid(name, clips, frames).sort());
        if (reading.kind !== 'sequences') throw new Error('They were taken for separate pictures.');
        expect(reading.sequences.map(({ files }) => files)).toEqual(
          Array.from({ length: clips }, (_, c) => Array.from({ length: frames }, (_, f) => name(c + 1, f))),
        );
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});

describe('one clip', () => {
  test.each([
    ['frame_0001 on', ['frame_0001.png', 'frame_0002.png', 'frame_0010.png']],
    ['two numbers, one of them constant', ['patient12_3.png', 'patient12_4.png', 'patient12_5.png']],
    ['a constant date', ['IMG_20200101_001.png', 'IMG_20200101_002.png']],
    ['thinned out evenly', ['f0.png', 'f100.png', 'f200.png', 'f300.png']],
    ['thinned out unevenly', ['a0.png', 'a3.png', 'a4.png', 'a17.png']],
    [
      'times of day over a full minute',
      ['20200101_115959.png', '20200101_120000.png', '20200101_120001.png'],
    ],
    ['a number and the time that rises with it', ['1_0040.png', '2_0080.png', '3_0120.png']],
    ['a word for a video', ['video_0001.png', 'video_0002.png', 'video_0003.png']],
  ])('%s', (_kind, files) => {
    expect(Object.values(read(files) ?? {})).toEqual([files.length]);
  });
});

describe('separate pictures', () => {
  test.each([
    ['one picture', ['frame_1.png']],
    ['other words', ['a1.png', 'b1.png', 'a2.png', 'b2.png']],
    ['other kinds of file', ['a1.png', 'a2.jpg']],
    ['HC18', ['000_HC.png', '001_HC.png', '010_2HC.png', '010_HC.png']],
    ['no numbers', ['left.png', 'right.png']],
    ['words beside numbers', ['benign_1.png', 'benign_2.png', 'malignant_1.png', 'malignant_2.png']],
  ])('%s, for no reason that a person need know', (_kind, files) => {
    expect(readFrameNames(files)).toEqual({ kind: 'separate', reason: null });
  });

  test.each([
    ['the same number twice', ['f1.png', 'f01.png', 'f2.png', 'f02.png'], /do not count on/],
    ['patients', ['patient1.png', 'patient2.png', 'patient3.png'], /another patient/],
    [
      'mostly one picture a patient',
      ['patient1_1.png', 'patient1_2.png', 'patient2_1.png', 'patient3_1.png', 'patient4_1.png'],
      /another patient/,
    ],
    ['patients on their days', ['subject_1_20200101.png', 'subject_2_20200315.png'], /another subject/],
    ['numbers that do not count', ['1034.png', '1077.png', '2201.png', '9003.png'], /do not count on/],
    ['dates', ['20200101.png', '20210315.png', '20220704.png'], /do not count on/],
    [
      'a patient and a date each',
      ['1034_20200101.png', '1077_20200315.png', '2201_20210101.png'],
      /do not count/,
    ],
  ])('%s, and why', (_kind, files, reason) => {
    const reading = readFrameNames(files);
    expect(reading).toMatchObject({ kind: 'separate', reason: expect.stringMatching(reason) as string });
  });
});
