/** An ingest that ends without a clip names every file that was refused, and why, on the screen and to programs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { scratchFolder } from '../dataset/helpers.ts';
import { element, TAG, writeUltrasound } from '../dicom-writer.ts';

const scratch = scratchFolder();
const source = join(scratch, 'export');
mkdirSync(join(source, 'DOE^JANE'), { recursive: true });
const sound = { rows: 20, columns: 24, frames: [new Uint8Array(480).fill(80)] };
const files = {
  'DOE^JANE/palette.dcm': [
    writeUltrasound({ ...sound, photometric: 'PALETTE COLOR' }),
    'it has no usable descriptor',
  ],
  'hsv.dcm': [
    writeUltrasound({
      ...sound,
      uid: '2.25.9',
      elements: [element(TAG.PhotometricInterpretation, 'CS', 'HSV')],
    }),
    'this is something else',
  ],
  'report.dcm': [
    writeUltrasound({
      ...sound,
      elements: [element(TAG.SOPClassUID, 'UI', '1.2.840.10008.5.1.4.1.1.88.33')],
    }),
    'it is a structured report',
  ],
} as const;
for (const [path, [bytes]] of Object.entries(files)) writeFileSync(join(source, path), bytes);

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const out = join(scratch, 'out');

test('every path and reason is on the screen and in --json, and nothing is written', () => {
  const args = ['--import', 'tsx', MAIN, 'ingest', source, '--out', out];
  const plain = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const json = spawnSync(process.execPath, [...args, '--json'], { encoding: 'utf8' });
  expect([plain.status, json.status]).toEqual([3, 3]);
  const answer = JSON.parse(json.stdout) as {
    error: { code: string };
    clips: number;
    rejected: { source: string; reason: string }[];
  };
  expect([answer.error.code, answer.clips, answer.rejected.length]).toEqual(['DATASET_EMPTY', 0, 3]);
  for (const [path, [, reason]] of Object.entries(files)) {
    const told = answer.rejected.find((one) => one.source === path);
    expect(told?.reason).toContain(reason);
    for (const screen of [plain.stderr, json.stderr])
      expect(screen).toContain(`  ${path}: ${told!.reason}\n`);
  }
  expect(existsSync(out)).toBe(false);
  expect(execFileSync('find', [scratch, '-name', '*out*'], { encoding: 'utf8' })).toBe('');
});
