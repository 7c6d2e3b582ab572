/** Simulated sources in the layouts in which public sets are published. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODECS, ellipse, putFrames, putPicture, putStill, putText, putVideo } from './pictures.ts';

/** Makers of the folders, by their names. */
export const PUBLISHED: Readonly<Record<string, (folder: string) => void | Promise<void>>> = {
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
};

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
