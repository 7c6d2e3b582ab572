/** The benchmark’s bookkeeping, with a clock of its own: what counts as a step, a share, a median, a speed. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bench } from '../../src/cli/bench/bench.ts';
import { examine } from '../../src/cli/findings.ts';
import { describeEnvironment, packageVersion } from '../../src/runs/environment.ts';
import { TINY } from '../pretrain/support.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('bench', () => {
  test('measures so many steps of each kind, in parts that make a whole', async () => {
    const progress: [number, number, string][] = [];
    const result = await bench({
      steps: 5,
      config: { set: [...TINY, 'batch.pairs=2', 'view.size=16'] },
      onProgress: (done, of, note = '') => {
        progress.push([done, of, note]);
      },
    });
    expect(result.steps).toBe(5);
    expect(result.pairsPerSecond).toBeCloseTo(2 / result.secondsPerStep, 9);
    const shares = Object.values(result.shares);
    for (const share of shares) expect(share).toBeGreaterThan(0);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    // Memory is told in bytes: a Node process takes tens of millions of them.
    expect(result.peakMemory).toBeGreaterThan(3e7);
    expect(result.peakMemory).toBeLessThan(1e11);
    for (const speed of Object.values(result.images)) expect(speed).toBeGreaterThan(0);
    // Forward alone is quicker than forward and backward.
    expect(result.images.inference).toBeGreaterThan(result.images.all);
    expect(result.config).toMatchObject({ backend: 'reference', size: 16, batch: { pairs: 2 }, channels: 1 });
    expect(result.environment.uscl).toBe(packageVersion());

    const total = progress[0]![1];
    expect(progress.map(([done]) => done)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    expect(progress.every(([, of]) => of === total)).toBe(true);
    const told = (start: string): number => progress.filter(([, , note]) => note.startsWith(start)).length;
    expect(told('loader: ')).toBe(5);
    expect(told('constant: ')).toBe(5);
    expect(told('fine-tuning and inference')).toBe(5);
    expect(told('warming up')).toBe(total - 15);
    // Never one kind after the other: a busy minute would be held against one of them.
    const order = progress.flatMap(([, , note]) => /^(loader|constant): /.exec(note)?.[1] ?? []);
    expect(order.indexOf('loader')).toBeLessThan(order.lastIndexOf('constant'));
    expect(order.indexOf('constant')).toBeLessThan(order.indexOf('loader'));
  });

  test('takes medians, so that one slow step changes nothing', async () => {
    // Every look at the clock is a microsecond later, but for a thousand seconds that pass once on the way.
    let now = 0;
    let looks = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      looks += 1;
      now += looks === 2000 ? 1e6 : 1e-3;
      return now;
    });
    const set = [...TINY, 'batch.pairs=2'];
    const { secondsPerStep, pairsPerSecondConstant } = await bench({ steps: 8, config: { set } });
    expect(now).toBeGreaterThan(1e6);
    expect(secondsPerStep).toBeLessThan(1);
    expect(pairsPerSecondConstant).toBeGreaterThan(2);
  });
});

describe('what a machine is found to be', () => {
  test('is told part by part, each with a way out where it is not good', async () => {
    const { findings, version } = await examine();
    expect(version).toBe(packageVersion());
    expect(findings.map(({ part }) => part)).toEqual([
      ...['Node.js', 'processor', 'memory', 'oneDNN', 'ffmpeg, ffprobe', 'sharp', 'disk'],
    ]);
    for (const { state, mend } of findings) expect(mend === null).toBe(state === 'good');
    const disk = findings.at(-1)!;
    const free = Number(/^([\d.]+) GB free at \.$/.exec(disk.found)?.[1]);
    expect(free).toBeGreaterThan(0);
    expect(free).toBeLessThan(1e6);
    expect(disk.state).toBe(free >= 2 ? 'good' : 'poor');
    const memory = findings.find(({ part }) => part === 'memory')!;
    const [, all, left] = /^([\d.]+) GB in all, ([\d.]+) GB free$/.exec(memory.found)!.map(Number);
    expect(left!).toBeLessThanOrEqual(all!);
    expect(memory.state).toBe(all! >= 3 ? 'good' : 'poor');
  });

  test('a folder that is not there is told, not thrown', async () => {
    const { findings } = await examine('no such folder');
    expect(findings.at(-1)).toMatchObject({ part: 'disk', state: 'missing' });
  });

  test('and what a run was computed on', () => {
    const backend = {
      ...{ name: 'reference', library: 'TypeScript', instructionSet: 'none', threads: 1 },
      precisions: ['f32' as const],
    };
    const found = describeEnvironment(backend);
    expect(found).toMatchObject({ uscl: packageVersion(), node: process.version, backend });
    expect(found.uscl).toMatch(/^\d+\.\d+\.\d+/);
    expect(found.revision ?? '0'.repeat(40)).toMatch(/^[0-9a-f]{40}\+?$/);
    expect(found.processors).toBeGreaterThan(0);
  });
});
