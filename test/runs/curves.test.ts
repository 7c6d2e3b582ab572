import { describe, expect, it } from 'vitest';
import { uscl } from '../../src/methods/uscl.ts';
import { drawPanels, pretrainPanels } from '../../src/runs/curves.ts';
import type { LogEntry } from '../../src/runs/log.ts';

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
    const log = Array.from({ length: 100 }, (_, i) => step(i + 1));
    const svg = drawPanels('Pretraining', pretrainPanels(log, uscl.charts));
    expect(svg).toContain('>Loss<');
    expect(svg).not.toContain('kNN');
    expect(svg).not.toContain('Effective rank');
    const scores = { accuracy: 0.5, balancedAccuracy: 0.25, macroF1: 0.5 };
    const scored = pretrainPanels(
      [step(1), { kind: 'knn', step: 1, epoch: 0, time: 0, ...scores }],
      uscl.charts,
    );
    expect(scored.at(-1)).toMatchObject({
      title: 'kNN on the watched dataset',
      lines: [{ points: [[1, 0.25]] }],
    });
  });

  it('are a running mean over a fiftieth of the run, in front of every step', () => {
    const log = Array.from({ length: 150 }, (_, i) => step(i + 1));
    const [{ lines } = { lines: [] }] = pretrainPanels(log, uscl.charts);
    expect(lines.map(({ faint = false }) => faint)).toEqual([true, false]);
    const [raw, mean] = lines.map(({ points }) => points.map(([, y]) => y));
    log.forEach((_, i) => {
      expect(raw![i]).toBeCloseTo(4 - (i + 1) / 100, 12);
      const window = raw!.slice(Math.max(0, i - 2), i + 1);
      expect(mean![i]).toBeCloseTo(window.reduce((sum, y) => sum + y, 0) / window.length, 12);
    });
  });

  it('of training and of held-out clips have a colour each, the same in every panel', () => {
    const scores = { loss: 3, effectiveRank: 5, alignment: 0.2, uniformity: -2, pairAccuracy: 0.5 };
    const log: LogEntry[] = [step(1), { kind: 'validation', step: 1, epoch: 0, time: 0, ...scores }];
    const styles = pretrainPanels(log, uscl.charts).map(({ title, lines }) => [
      title,
      ...lines.map(({ name, style }) => [name, style]),
    ]);
    const both = [
      ['training', 0],
      ['training', 0],
      ['held out', 1],
    ];
    expect(styles.slice(0, 2)).toEqual([
      ['Loss', ...both],
      ['Pairs that find each other', ...both],
    ]);
    const measures = new Map(
      pretrainPanels(log, uscl.charts)[2]!.lines.map(({ name, style }) => [name, style]),
    );
    expect(new Set(measures.values()).size).toBe(2);
  });

  it('draw an empty log as an empty chart', () => {
    expect(drawPanels('Pretraining', pretrainPanels([], uscl.charts))).toMatch(/^<svg[\s\S]*<\/svg>\n$/);
  });
});
