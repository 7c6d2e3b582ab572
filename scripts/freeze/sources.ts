/** Simulated sources of every kind that is ingested, one folder each: as clinics export them, as public sets are published. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { putDicom } from './dicom.ts';
import {
  CODECS,
  coloured,
  drawScreen,
  ellipse,
  putFrames,
  putPicture,
  putStill,
  putText,
  putVideo,
} from './pictures.ts';

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
  'pocus-clone': pocusClone,
  'pocus-table': pocusTable,
  blues,
  gallbladder,
  us4: (folder) => codes(folder, ['Rb1_a', 'F2_b', 'Ali_c', 'Bli-d', 'Zzz_e']),
  butterfly: (folder) => codes(folder, ['Reg-a_mp4', 'Cov-b_mp4']),
  busi,
  'busi-table': busiTable,
  masks,
  structures,
  hc18,
  flow,
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

const POCUS_HEADER =
  'Date added,Current location,Filename,URL,Label,License,InThisRepo,Type,Probe,Source ID,Patient ID / Name,,Other';

/** As the repository publishes it. */
async function pocusClone(folder: string): Promise<void> {
  const row = (location: string, name: string, label: string, more: readonly string[]): string =>
    `20.04.20,${location},${name},,${label},${more.join(',')},,"a, b"`;
  const here = (patient: string, source = '1'): string[] => [
    'CC BY 4.0',
    'Yes',
    'video',
    'convex',
    source,
    patient,
  ];
  const rows = [
    row('data/pocus_videos/Convex', 'Cov-Atlas+(44)', 'COVID-19', here('36')),
    row('pocus_videos/convex', 'Reg_lung', 'Regular', here('40')),
    row('pocus_videos/convex', 'Pneu_northumbria_0409_set2_vid1', 'Bacterial pneumonia', here('186')),
    row('pocus_videos/convex', 'Reg_northumbria_0409_set2_vid2', 'regular', here('187')),
    row('pocus_videos/linear/label_uncertain', 'Cov_Linee B', 'COVID-19', [
      'None',
      'Yes',
      'video',
      'linear',
      '41',
      '',
    ]),
    row('pocus_videos/Convex', 'Vir_h1n1', 'Viral pneumonia', here('99')),
    row('pocus_images/Convex', 'Cov_paper2', 'COVID-19', ['CC BY 4.0', 'Yes', 'Image', 'convex', '2', '84']),
    row('butterfly', 'Cov-Butterfly', 'COVID-19', ['None', 'No', 'video', 'convex', '3', '15']),
    row('not_to_use (local)', 'Vir_neck', 'Viral pneumonia', here('')),
    row('pocus_videos/Convex', 'Cov-lost', 'COVID-19', here('12')),
  ];
  const videosOf = (name: string): string => join(folder, 'data/pocus_videos', name);
  putVideo(videosOf('convex/Cov-Atlas+(44).gif'), { seed: 81, options: CODECS.gif });
  putVideo(videosOf('convex/Reg_lung.MP4'), { seed: 82 });
  putVideo(videosOf('convex/Pneu_northumbria_0409_set2_vid1.avi'), { seed: 83, options: CODECS.mjpeg });
  putVideo(videosOf('convex/Reg_northumbria_0409_set2_vid2.avi'), { seed: 84, options: CODECS.mpeg4 });
  putVideo(videosOf('linear/label_uncertain/Cov_Linee B .mpeg'), { seed: 85, options: [...CODECS.mpeg1] });
  putVideo(videosOf('convex/vir_H1N1.mp4'), { seed: 86 });
  putVideo(videosOf('convex/nobody.mp4'), { seed: 87 });
  await putStill(join(folder, 'data/pocus_images/convex/Cov_paper2.png'), { seed: 88 });
  putText(folder, { 'README.md': '', 'data/dataset_metadata.csv': [POCUS_HEADER, ...rows, ''].join('\n') });
}

/** With a table of one's own. */
async function pocusTable(folder: string): Promise<void> {
  putVideo(join(folder, 'pocus_videos/convex/a.mp4'), { seed: 91 });
  putVideo(join(folder, 'pocus_videos/linear/b.mp4'), { seed: 92, shape: 'linear' });
  putVideo(join(folder, 'pocus_videos/convex/c.mp4'), { seed: 93 });
  await putStill(join(folder, 'pocus_images/convex/d.png'), { seed: 94 });
  putText(folder, {
    'manifest.csv': [
      'path,kind,label,license,suggested_group',
      'pocus_videos/convex/a.mp4,video,COVID-19,CC BY 4.0,g1',
      'pocus_videos/linear/b.mp4,video,regular,,g2',
      'pocus_videos/convex/c.mp4,video,Viral pneumonia,CC BY 4.0,g2',
      'pocus_images/convex/d.png,image,Bacterial pneumonia,CC0,g3',
      'pocus_videos/convex/lost.mp4,video,regular,CC0,g4',
      '',
    ].join('\n'),
  });
}

function blues(folder: string): void {
  for (const [i, name] of ['patient_1_L1', 'patient_1_R2', 'patient_2_L1', 'patient_3_L1', 'odd'].entries())
    putVideo(join(folder, `lus_videos/${name}.mp4`), { seed: 101 + i });
  putText(folder, {
    'severity.csv': [
      'video_file,severity score,a-lines,b-lines',
      'patient_1_L1,0,yes,no',
      'patient_1_R2,2,No ,Yes ',
      'patient_2_L1,3,no,yes',
      'patient_9_L1,1,no,yes',
      '',
    ].join('\n'),
  });
}

async function gallbladder(folder: string): Promise<void> {
  const size = { width: 60, height: 60, shape: 'whole' } as const;
  const put = (name: string, seed: number): Promise<void> =>
    putStill(join(folder, 'data', name), { ...size, seed });
  for (const [i, name] of ['3_0.jpg', '3_1.JPG', '12_0.jpg', '40_0.jpg', '41_0.jpg', '50_0.jpg'].entries())
    await put(`training_data/${name}`, 111 + i);
  copyFileSync(join(folder, 'data/training_data/40_0.jpg'), join(folder, 'data/training_data/41_0.jpg'));
  await put('test_data/12_0.jpg', 118);
  await put('test_data/13_0.jpg', 119);
  putText(folder, {
    'data/training_data/label.csv': '3_0.jpg,0\n3_1.JPG,0\n12_0.jpg,0\n40_0.jpg,1\n41_0.jpg,1\n60_0.jpg,1\n',
    'data/test_data/label.csv': '12_0.jpg,1\r\n13_0.jpg,0\r\n',
  });
}

async function codes(folder: string, names: readonly string[]): Promise<void> {
  for (const [i, name] of names.entries())
    await putFrames(join(folder, name), { seed: 121 + i, frames: 4 }, (frame) => `${name}_frame${frame}.jpg`);
}

async function maskOf(path: string, spec: Parameters<typeof ellipse>[2], size = [160, 120]): Promise<void> {
  const [width, height] = [size[0]!, size[1]!];
  await putPicture(path, [ellipse(width, height, spec), width, height, 1], (one) => one.toColourspace('b-w'));
}

async function busi(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, 'Dataset_BUSI_with_GT', name);
  for (const [i, name] of ['benign/benign (1)', 'benign/benign (2)', 'malignant/malignant (1)'].entries()) {
    await putStill(at(`${name}.png`), { seed: 131 + i, shape: 'whole' });
    await maskOf(at(`${name}_mask.png`), { x: 70 + 5 * i, y: 60 });
  }
  await maskOf(at('benign/benign (2)_mask_1.png'), { x: 120, y: 30 });
  await putStill(at('malignant/malignant (2).png'), { seed: 131, shape: 'whole' });
  await putStill(at('normal/normal (1).png'), { seed: 135, shape: 'whole' });
  await maskOf(at('normal/normal (1)_mask.png'), { x: -500, y: 0 });
  await maskOf(at('normal/normal (9)_mask.png'), { x: 50, y: 50 });
}

async function busiTable(folder: string): Promise<void> {
  for (const [i, name] of ['benign/a', 'malignant/b', 'normal/c'].entries()) {
    await putStill(join(folder, `${name}.png`), { seed: 141 + i, shape: 'whole' });
    await maskOf(join(folder, `${name} m.png`), { x: 60, y: 50 });
  }
  putText(folder, {
    'manifest.csv':
      'image,label,masks,near_dup_group\nbenign/a.png,benign,a m.png,1\nmalignant/b.png,malignant,b m.png;lost.png,2\nnormal/c.png,normal,,1\n',
  });
}

/** Masks by names and by folders; outlines, one of them open. */
async function masks(folder: string): Promise<void> {
  for (const [i, name] of ['set/a', 'set/b', 'images/c', 'images/d'].entries())
    await putStill(join(folder, `${name}.png`), { seed: 151 + i });
  await maskOf(join(folder, 'set/a_mask.png'), { x: 80, y: 60 });
  await maskOf(join(folder, 'set/b_Annotation.png'), { x: 90, y: 50 });
  await maskOf(join(folder, 'masks/c.png'), { x: 60, y: 70 });
  await maskOf(join(folder, 'masks/e.png'), { x: 60, y: 70 });
  putText(folder, { 'labels.csv': 'clip,label,group\nset/a.png,x,p1\nset/b.png,y,p2\nc.png,x,p3\n' });
}

/** Masks of several structures. */
async function structures(folder: string): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await putStill(join(folder, `p${i}.png`), { seed: 161 + i });
    const mask = ellipse(160, 120, { x: 60, y: 50, value: 1 });
    if (i > 0) ellipse(160, 120, { x: 110, y: 80, value: 2 }, mask);
    await putPicture(join(folder, `p${i}_seg.png`), [mask, 160, 120, 1], (one) => one.toColourspace('b-w'));
  }
}

/** Heads with their outlines. */
async function hc18(folder: string): Promise<void> {
  for (const [i, name] of ['001_HC', '001_2HC', '002_HC'].entries()) {
    await putStill(join(folder, `${name}.png`), { seed: 171 + i });
    await maskOf(join(folder, `${name}_Annotation.png`), { x: 80, y: 60, line: true });
  }
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
