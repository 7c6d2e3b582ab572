/** Which names of clips may name a patient, and which must not alarm anybody. */
import { describe, expect, test } from 'vitest';
import { countsOf, identifying, identifyingKinds } from '../../src/dataset/identifying.ts';

const kindsOf = (text: string): string => [...identifyingKinds(text)].sort().join(' ');

test.each([
  ['MUELLER_HANS_19540312.mp4', 'date name'],
  ['KOWALSKY_BRZANA_1954-03-12', 'date name'],
  ['Smith^John', 'name'],
  ['DOE^JANE^19610402/IM_0001', 'date name'],
  ['Müller, Hans.avi', 'name'],
  ['hans_mueller_lung.mp4', 'name'],
  ['export/Anna Schmidt/clip1.png', 'name'],
  ['Frau Yilmazer.mp4', 'name'],
  ['12.03.1954.mp4', 'date'],
  ['scan_12031954.avi', 'date'],
  ['IMG_20200101_001.png', 'date'],
  ['20200101123000.mp4', 'date'],
  ['4711815.mp4', 'number'],
  ['P0047118155/left.mp4', 'number'],
  ['00123456_L1.mp4', 'number'],
  ['MRN 12345.mp4', 'number'],
  ['patient_id_4711.mp4', 'number'],
  ['120354-1234.avi', 'number'],
  ['943-476-5919.avi', 'number'],
])('%s: %s', (text, kinds) => {
  expect(kindsOf(text)).toBe(kinds);
});

describe('no alarm', () => {
  test.each([
    'patient_12_R1.mp4',
    'patient12/video3',
    'benign (12).png',
    'benign (318)_mask_1.png',
    'Cov-Atlas-Day+1.gif',
    'Cov_Oliviera_2020_Fig15A.jpg',
    'Cov_unsmooth_pleuralline_prelim_study_SSRN_paper2.png',
    'convex/Pneu_northumbria_0409_set2_vid1.avi',
    'linear/Reg_Image_181206_crop.mp4',
    'Vir_liftl_H1N1_case2_clip1.mp4',
    'pneu-radiopaeda.mp4',
    'Reg_clinicalreview_mov1',
    '000_HC.png',
    '010_2HC.png',
    '1140_0.JPG',
    'series_f/frame0035',
    'frame_00000012.png',
    'img_00012345.png',
    'dicom-1234567890123456',
    'video-3f9a12345678c0de',
    'still-12345678901234ef',
    '550e8400-e29b-41d4-a716-446655440000.mp4',
    '1.2.840.113619.2.5.24',
    'covid/cov_patient1',
    'patient-001-b-lines-2',
    'COVID_LUNG_01',
    'clip_1920x1080_25fps.mp4',
    'Rb1_liver',
    'sonosite-anon-eye1-video.mp4',
    'clarius_axial-lateral-resolution-2020.png',
    '1234567890123.mp4',
  ])('%s', (text) => {
    expect(kindsOf(text)).toBe('');
  });
});

test('counts distinct texts by kind, and says them without an example', () => {
  const found = identifying(['a_19540312', 'a_19540312', 'b_19550312', 'Smith^John', 'benign (1).png']);
  expect(found).toEqual([
    { kind: 'name', count: 1, examples: ['Smith^John'] },
    { kind: 'date', count: 2, examples: ['a_19540312', 'b_19550312'] },
  ]);
  expect(countsOf(found)).toBe('1 look like names, 2 like dates');
  expect(identifying([])).toEqual([]);
});
