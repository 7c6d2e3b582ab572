/** Simulated sources of every kind that is ingested, one folder each: what people have, and what clinics export. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { putDicom } from './dicom.ts';
import {
  CODECS,
  coloured,
  drawScreen,
  putFrames,
  putPicture,
  putStill,
  putText,
  putVideo,
} from './pictures.ts';
import { PUBLISHED } from './published.ts';

/** Makers of the folders, by their names. */
export const SOURCES: Readonly<Record<string, (folder: string) => void | Promise<void>>> = {
  videos,
  frames,
  shared,
  classes,
  stills,
  dicom: (folder) => putDicom(folder),
  mixed,
  broken,
  flow,
  ...PUBLISHED,
};

/** Every container and codec, sizes, rates, oblong pixels, two streams; what is dark, frozen, damaged or no video. */
function videos(folder: string): void {
  const at = (name: string): string => join(folder, name);
  putVideo(at('a1.mp4'), { seed: 1, fps: 10 });
  putVideo(at('a2.mp4'), { seed: 2, fps: 25, frames: 30, shape: 'linear' });
  putVideo(at('b/b1.avi'), { seed: 3, options: CODECS.mjpeg });
  putVideo(at('b/b2.avi'), { seed: 4, options: CODECS.mpeg4, shape: 'whole' });
  putVideo(at('b/b3.avi'), { seed: 5, options: CODECS.raw, frames: 6 });
  putVideo(at('c1.gif'), { seed: 6, options: CODECS.gif });
  putVideo(at('c2.mpg'), { seed: 7, options: CODECS.mpeg1, fps: 25, frames: 30 });
  putVideo(at('d 1.webm'), { seed: 8, options: CODECS.vp8 });
  putVideo(at('d 2.mkv'), { seed: 9, options: CODECS.ffv1, width: 96, height: 128 });
  putVideo(at('Übung.mov'), { seed: 10, colour: true });
  putVideo(at('oblong.mp4'), { seed: 11, options: CODECS.anamorphic, width: 80 });
  putVideo(at('two.mkv'), { seed: 12, options: CODECS.two });
  putVideo(at('wide.mp4'), { seed: 13, width: 320, height: 96, shape: 'linear' });
  putVideo(at('dark.mp4'), { seed: 14, options: ['-vf', 'lutyuv=y=16', '-pix_fmt', 'yuv420p'] });
  putVideo(at('still.mp4'), { seed: 15, frames: 1 });
  putVideo(at('frozen.mkv'), { seed: 16, frames: 8, options: CODECS.frozen });
  copyFileSync(at('a1.mp4'), at('copy.mp4'));
  putText(folder, {
    'no video.mp4': 'no video',
    'empty.avi': '',
    'readme.txt': 'text',
    'labels.csv':
      'clip,label,group\na1.mp4,x,p1\na2,x,p1\nb/b1.avi,y,p2\nb2,y,p2\nc1.gif,y,p3\nu\u0308bung.mov,x,p4\nÜbung.mov,x,p4\nd 1,,p5\nnobody.mp4,x,p9\n',
    'semicolons.csv': 'sep=;\r\nclip;label;group\r\na1.mp4;"ja; sicher";p1\r\na2.mp4;nein;p2\r\n',
    'fields.yaml': [
      'fields:',
      '  - clips: a1.mp4',
      '    rectangle: [20, 15, 100, 90]',
      "  - clips: 'b/*.avi'",
      '    polygon: [[70, 10], [90, 10], [140, 100], [20, 100]]',
      '  - clips: c1.gif',
      '    field: whole',
      "  - clips: '**/d*'",
      '    field: none',
      '',
    ].join('\n'),
    'fields.csv': 'clip,field\na*.mp4,rectangle 20 15 100 90\nb/b1.avi,whole\n',
  });
  const wide = Buffer.from('\ufeffclip\tlabel\na1.mp4\tx\na2.mp4\ty\n', 'utf16le');
  writeFileSync(at('wide.tsv.csv'), wide);
}

/** A folder of frames a video. */
async function frames(folder: string): Promise<void> {
  await putFrames(join(folder, 'case one'), { seed: 21, frames: 7 }, (i) => `frame_${i + 1}.png`);
  await putFrames(
    join(folder, 'case two'),
    { seed: 22, frames: 12 },
    (i) => `${String(i).padStart(3, '0')}.jpg`,
  );
  await putFrames(join(folder, 'deep/below/three'), { seed: 23, frames: 5 }, (i) => `img${i}.tif`);
  await putFrames(join(folder, 'pictures'), { seed: 24, frames: 3 }, (i) => `patient ${7 * i + 1}.png`);
  await putStill(join(folder, 'case one/frame_8.png'), { seed: 25, width: 100, height: 80 });
  putText(folder, { 'case two/notes.txt': 'text', 'case two/012.jpg': 'damaged' });
  putText(folder, { 'labels.csv': 'clip,label,group\ncase one,x,p1\ncase two,y,p2\n' });
}

/** Frames of several videos in a folder, told apart by their names. */
async function shared(folder: string): Promise<void> {
  for (const [i, name] of ['patient1_clip1', 'patient1_clip2', 'patient2_clip1'].entries())
    await putFrames(join(folder, 'all'), { seed: 31 + i, frames: 4 + i }, (frame) => `${name}_${frame}.png`);
}

/** Folders of frames below class folders. */
async function classes(folder: string): Promise<void> {
  for (const [i, name] of ['b-lines/one', 'b-lines/two', 'healthy/one', 'healthy/two'].entries())
    await putFrames(join(folder, name), { seed: 41 + i, frames: 4 }, (frame) => `${frame}.png`);
}

/** Single pictures in every format and depth. */
async function stills(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  for (const [i, ending] of ['jpg', 'jpeg', 'png', 'tif', 'webp'].entries())
    await putStill(at(`plain ${i}.${ending}`), { seed: 51 + i });
  const { frames: grey, width, height } = drawScreen({ seed: 60, frames: 1 });
  const [colour] = coloured(drawScreen({ seed: 61, frames: 1 }));
  await putPicture(at('colour.jpg'), [colour!, width, height, 3]);
  await putPicture(at('palette.png'), [colour!, width, height, 3], (one) => one.png({ palette: true }));
  await putPicture(at('turned.jpg'), [grey[0]!, width, height, 1], (one) =>
    one.withMetadata({ orientation: 6 }),
  );
  const veiled = Buffer.from(
    Array.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 200 : grey[0]![i >> 2]!)),
  );
  await putPicture(at('veiled.png'), [veiled, width, height, 4]);
  const deep = Uint16Array.from(grey[0]!, (value) => 257 * value);
  writeFileSync(
    at('deep.png'),
    await sharp(deep, { raw: { width, height, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer(),
  );
  putText(folder, { 'broken.png': 'no picture' });
}

/** What an export holds: objects beside videos and pictures, in folders named after people. */
async function mixed(folder: string): Promise<void> {
  const person = join(folder, 'DOE^JANE 19610402');
  mkdirSync(person, { recursive: true });
  await putDicom(join(folder, 'all'));
  putVideo(join(person, 'clip.mp4'), { seed: 71 });
  await putStill(join(person, 'picture.png'), { seed: 72 });
  putText(folder, {
    'labels.csv': 'clip,label,group\nsingle.dcm,x,DOE\ncine.dcm,y,ROE\nclip.mp4,x,DOE\n',
    'site.key': '0123456789abcdef0123456789abcdef',
  });
}

/** Nothing that can be taken. */
function broken(folder: string): void {
  putText(folder, { 'a.mp4': 'no video', 'b.png': 'no picture', 'c.dcm': '', 'notes.txt': 'text' });
}

/** Coloured videos of two classes, for training with three channels. */
function flow(folder: string): void {
  const rows = ['clip,label,group'];
  for (let i = 0; i < 8; i++) {
    putVideo(join(folder, `v${i}.mp4`), {
      ...{ seed: 181 + i, width: 64, height: 48, frames: 8, colour: true },
      shape: i % 2 === 0 ? 'linear' : 'whole',
    });
    rows.push(`v${i}.mp4,${i % 2 === 0 ? 'x' : 'y'},p${i >> 1}`);
  }
  putText(folder, { 'labels.csv': `${rows.join('\n')}\n` });
}
