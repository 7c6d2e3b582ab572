/** The file of an explanation: what is there is read as it is, and numbers that nothing could have are refused. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type Explanation, readExplanation } from '../../src/evaluation/explanations/explanation.ts';
import { codeOf } from './support.ts';

const scratch = mkdtempSync(join(tmpdir(), 'uscl-explanation-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});
let written = 0;

/** A map of one clip that has been asked about, and of nothing else. */
const SMALLEST: Explanation = {
  ...{ format: 'uscl-explanation', version: 1, framesPerClip: 1, cam: null, neighbours: [], notice: '' },
  weights: { file: 'best.safetensors', sha256: 'a'.repeat(64), step: null, epoch: null },
  data: [{ name: 'set', hash: 'abc', clips: 1 }],
  map: {
    points: [{ clip: 'one', group: 'g', label: null, source: 'set', x: 0, y: -1 }],
    ...{ neighbours: 1, minDist: 0, epochs: 1, seed: 0, trustworthiness: null },
    agreement: { class: { nearest: 1, chance: 0, clips: 1 }, group: null, source: null },
    csv: 'map.csv',
    svg: { class: 'a.svg', group: 'b.svg', source: 'c.svg' },
  },
};

function read(explanation: unknown): Explanation | null {
  const folder = join(scratch, String(++written));
  mkdirSync(folder);
  writeFileSync(join(folder, 'explain.json'), JSON.stringify(explanation));
  return readExplanation(folder);
}

it('the least that there can be is read as it is, and nothing where there is none', () => {
  expect(read(SMALLEST)).toEqual(SMALLEST);
  expect(readExplanation(join(scratch, 'nowhere'))).toBeNull();
});

it.each([
  ['a map of no epoch', { map: { ...SMALLEST.map!, epochs: 0 } }],
  [
    'an agreement of nobody',
    {
      map: {
        ...SMALLEST.map!,
        agreement: { ...SMALLEST.map!.agreement, class: { nearest: 0, chance: 0, clips: 0 } },
      },
    },
  ],
  [
    'a share above 1',
    {
      map: {
        ...SMALLEST.map!,
        agreement: { ...SMALLEST.map!.agreement, class: { nearest: 1.1, chance: 0, clips: 1 } },
      },
    },
  ],
  ['no frame of a clip', { framesPerClip: 0 }],
  ['no data', { data: [] }],
  ['a key that nobody knows', { more: 1 }],
])('%s is damage', (_, change) => {
  expect(codeOf(() => read({ ...SMALLEST, ...change }))).toBe('EXPLANATION_DAMAGED');
});
