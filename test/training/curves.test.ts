import { describe, expect, it } from 'vitest';
import { drawCurves } from '../../src/training/curves.ts';
import type { LogEntry } from '../../src/training/log.ts';

const step = (at: number): LogEntry => ({
  kind: 'step',
  step: at,
  epoch: 0,
  time: 0,
  loss: 4 - at / 100,
  contrastive: 4,
  supervised: 0,
  labelled: 0,
  correct: 0,
  alignment: 0.1,
  uniformity: -1,
  pairAccuracy: at / 100,
  learningRate: 1e-3,
  gradientNorm: 1,
  pairs: 32,
  seconds: 1,
  pairsPerSecond: 32,
  dataWaitShare: 0,
  memory: 1,
});

describe('the curves of a run', () => {
  it('show what the log holds and leave out what it does not', () => {
    const svg = drawCurves(Array.from({ length: 100 }, (_, i) => step(i + 1)));
    expect(svg).toContain('>loss<');
    expect(svg).not.toContain('kNN');
    expect(svg).not.toContain('effective rank');
    const scored = drawCurves([
      step(1),
      { kind: 'knn', step: 1, epoch: 0, time: 0, accuracy: 0.5, balancedAccuracy: 0.5, macroF1: 0.5 },
    ]);
    expect(scored).toContain('kNN balanced accuracy');
  });

  it('draw an empty log as an empty chart', () => {
    expect(drawCurves([])).toMatch(/^<svg[\s\S]*<\/svg>\n$/);
  });
});
