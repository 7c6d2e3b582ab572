import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import {
  readPredictions,
  requirePredictions,
  writePredictions,
  type Predictions,
} from '../../src/evaluation/scores/predictions.ts';
import { makePredictions, predictionsOf } from './made-predictions.ts';
import { codeOf } from './support.ts';

const scratch = mkdtempSync(join(tmpdir(), 'uscl-predictions-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});
const file = join(scratch, 'predictions.json');

/** The error of an action. */
function errorOf(action: () => unknown): UsclError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
  throw new Error('no error');
}

/** A copy with one thing changed. */
function changed(
  change: (draft: { -readonly [K in keyof Predictions]: Predictions[K] }) => void,
): Predictions {
  const draft = structuredClone(made);
  change(draft);
  return draft;
}
const made = makePredictions({ clips: 6, groups: 3, frames: 2 });

it('nothing is without a name: no class, no clip, no group', () => {
  writePredictions(file, made);
  expect(readPredictions(file).clips).toHaveLength(6);
  const { clips, classes } = made;
  for (const part of [
    { classes: ['', ...classes.slice(1)] },
    { clips: [{ ...clips[0]!, id: '' }, ...clips.slice(1)] },
    { clips: [{ ...clips[0]!, group: '' }, ...clips.slice(1)] },
  ]) {
    writeFileSync(file, JSON.stringify({ ...made, ...part }));
    expect(errorOf(() => readPredictions(file)).code).toBe('PREDICTIONS_INVALID');
  }
});

describe('predictions on disk', () => {
  it('come back as they were, in 32 bits, whatever the probabilities', () => {
    const share = fc.float({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(share, { minLength: 1, maxLength: 5 }), (shares) => {
        const before = predictionsOf(2, [{ label: 0, frames: shares.map((p) => [p, Math.fround(1 - p)]) }]);
        writePredictions(file, before);
        const after = readPredictions(file);
        after.cells[0]!.rows[0]!.probabilities.forEach((frame, f) => {
          expect(frame.map(Math.fround)).toEqual([shares[f], Math.fround(1 - shares[f]!)]);
        });
        expect({ ...after, cells: [] }).toEqual({ ...before, cells: [] });
      }),
      { seed: 1 },
    );
  });

  it('are scored the same before writing and after reading', () => {
    const before = makePredictions({ clips: 20, groups: 5, labelRates: [0.1, 1] });
    writePredictions(file, before);
    const options = { resamples: 50 };
    expect(evaluatePredictions(readPredictions(file), options)).toEqual(evaluatePredictions(before, options));
  });

  it('are found in their run folder, and leave nothing else behind', () => {
    const run = join(scratch, 'run');
    mkdirSync(run);
    writePredictions(join(run, 'predictions.json'), made);
    expect(readdirSync(run)).toEqual(['predictions.json']);
    expect(readPredictions(run)).toEqual(readPredictions(join(run, 'predictions.json')));
  });

  it('have a clip a line, and few digits', () => {
    writePredictions(file, predictionsOf(2, [{ label: 1, frames: [[Math.fround(0.1), Math.fround(0.9)]] }]));
    const lines = readFileSync(file, 'utf8').split('\n');
    expect(lines.some((line) => line.includes('"probabilities":[[0.1,0.9]]'))).toBe(true);
  });

  it('survive strange names and an empty list', () => {
    const strange = changed((draft) => {
      draft.classes = ['"]}', 'ü\n', 'c'];
      draft.cells = [];
    });
    writePredictions(file, strange);
    expect(readPredictions(file)).toEqual(strange);
  });
});

describe('what is no prediction', () => {
  it('is not there: the path is named', () => {
    const missing = errorOf(() => readPredictions(join(scratch, 'nowhere')));
    expect(missing.code).toBe('PREDICTIONS_MISSING');
    expect(missing.message).toContain('nowhere');
    const empty = join(scratch, 'empty');
    mkdirSync(empty);
    expect(codeOf(() => readPredictions(empty))).toBe('PREDICTIONS_MISSING');
  });

  it.each([
    ['cut off', '{"format": "uscl-pred'],
    ['another format', JSON.stringify({ ...made, format: 'uscl-probe' })],
    ['another version', JSON.stringify({ ...made, version: 2 })],
    ['an unknown key', JSON.stringify({ ...made, extra: 1 })],
    ['a protocol nobody knows', JSON.stringify({ ...made, protocol: 'best' })],
    ['a number as text', JSON.stringify({ ...made, clips: [{ id: 'a', group: 'g', label: '0' }] })],
  ])('is refused on reading: %s', (_, text) => {
    writeFileSync(file, text);
    const error = errorOf(() => readPredictions(file));
    expect(error.code).toBe('PREDICTIONS_INVALID');
    expect(error.where).toContain('predictions.json');
  });

  it('names the key that is wrong', () => {
    writeFileSync(file, JSON.stringify({ ...made, classes: ['one'] }));
    expect(errorOf(() => readPredictions(file)).message).toContain('"classes"');
  });

  const first = (draft: Predictions): { frames: number[]; probabilities: number[][]; clip: number } =>
    draft.cells[0]!.rows[0]!;
  it.each<[string, (draft: { -readonly [K in keyof Predictions]: Predictions[K] }) => void, RegExp]>([
    ['two classes of one name', (d) => (d.classes = ['a', 'b', 'a']), /same name/],
    ['a clip listed twice', (d) => (d.clips[1]!.id = d.clips[0]!.id), /"clip-0" is listed twice/],
    ['a label beyond the classes', (d) => (d.clips[2]!.label = 3), /label 3 of 3/],
    ['a clip number beyond the clips', (d) => (first(d).clip = 6), /clip number 6 of 6/],
    ['a clip in two folds', (d) => d.cells[1]!.rows.push(structuredClone(first(d))), /predicted twice/],
    ['frames without predictions', (d) => first(d).frames.push(9), /3 frames have 2/],
    ['no frame', (d) => ((first(d).frames = []), (first(d).probabilities = [])), /0 frames/],
    ['frames that fall', (d) => first(d).frames.reverse(), /Frame 0 comes after frame 2/],
    ['a class too few', (d) => first(d).probabilities[1]!.pop(), /2 probabilities for 3 classes/],
    ['a sum far from 1', (d) => (first(d).probabilities[0] = [0.5, 0.4, 0]), /sum to 0.9/],
    ['no number', (d) => (first(d).probabilities[0] = [NaN, 1, 0]), /probability NaN/],
    ['a negative one', (d) => (first(d).probabilities[0] = [-0.5, 1, 0.5]), /probability -0.5/],
  ])('is refused with its place, on writing too: %s', (_, change, message) => {
    const wrong = changed(change);
    const error = errorOf(() => {
      requirePredictions(wrong);
    });
    expect(error.code).toBe('PREDICTIONS_INVALID');
    expect(error.message).toMatch(message);
    rmSync(file, { force: true });
    expect(
      codeOf(() => {
        writePredictions(file, wrong);
      }),
    ).toBe('PREDICTIONS_INVALID');
    expect(readdirSync(scratch)).not.toContain('predictions.json');
  });
});
