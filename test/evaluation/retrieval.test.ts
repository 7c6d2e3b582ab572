/** Nearest clips in order, with whom must not be answered left out. */
import { describe, expect, it } from 'vitest';
import {
  comparableRows,
  nearestClips,
  neighbourAgreement,
} from '../../src/evaluation/explanations/retrieval.ts';
import { codeOf } from './support.ts';

/** Directions by angle in the plane. */
const ANGLES = [0, 10, 95, 20, 180, 12];
const rows = Float32Array.from(
  ANGLES.flatMap((angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]),
);

describe('nearest clips', () => {
  it('come in order of their cosine, without the one that was asked about', () => {
    const found = nearestClips(rows, 2, 0, { count: 4 });
    expect(found.map(({ clip }) => clip)).toEqual([1, 5, 3, 2]);
    found.forEach(({ clip, similarity }) => {
      expect(similarity).toBeCloseTo(Math.cos((ANGLES[clip]! * Math.PI) / 180), 6);
    });
  });

  it('are never excluded ones; of equals the first comes first', () => {
    const found = nearestClips(rows, 2, 0, { isExcluded: (clip) => clip === 1 || clip === 3 });
    expect(found.map(({ clip }) => clip)).toEqual([5, 2, 4]);
    const equal = Float32Array.of(1, 0, 1, 0, 1, 0);
    expect(nearestClips(equal, 2, 2).map(({ clip }) => clip)).toEqual([0, 1]);
    expect(codeOf(() => nearestClips(rows, 2, 0, { isExcluded: () => true }))).toBe('NEIGHBOURS_NONE');
  });

  it('are eight where nobody said how many', () => {
    const many = Float32Array.from({ length: 24 }, (_, i) =>
      i % 2 === 0 ? Math.cos(i / 20) : Math.sin((i - 1) / 20),
    );
    expect(nearestClips(many, 2, 0).map(({ clip }) => clip)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('are compared by what differs: a common direction and the scale of a feature do not count', () => {
    const features = [0, 1, 2, 3, 4, 5].flatMap((i) => [Math.sin(2.3 * i), Math.cos(1.7 * i)]);
    const shifted = features.map((value, i) => (i % 2 === 0 ? 100 + 3 * value : 50 + value));
    const plain = comparableRows(Float32Array.from(features), 2);
    const moved = comparableRows(Float32Array.from(shifted), 2);
    for (let query = 0; query < 6; query++)
      expect(nearestClips(moved, 2, query).map(({ clip }) => clip)).toEqual(
        nearestClips(plain, 2, query).map(({ clip }) => clip),
      );
  });
});

describe('what near clips share', () => {
  const classes = ['a', 'a', 'b', 'a', 'b', null];

  it('is counted beside chance, without clips whose value is not known', () => {
    const found = neighbourAgreement(rows, 2, classes, null, 1);
    // Nearest of 0 (a): 1; of 1: 0 and 3 (first wins); of 3: 1; of 2 (b): 3 (75° against 85°); of 4 (b): 2.
    expect(found).toEqual({ nearest: 4 / 5, chance: (3 * (2 / 4) + 2 * (1 / 4)) / 5, clips: 5 });
  });

  it('leaves the own group out, and says nothing where nobody is left', () => {
    const groups = ['p', 'p', 'q', 'r', 'q', 's'];
    expect(neighbourAgreement(rows, 2, classes, groups, 1)!.nearest).toBe(3 / 5);
    expect(neighbourAgreement(rows, 2, classes, new Array(6).fill('p'), 1)).toBeNull();
  });
});
