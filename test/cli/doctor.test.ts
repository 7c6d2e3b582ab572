/** What a machine is found to be: by `uscl doctor`, and in the record of a run. */
import { describe, expect, test, vi } from 'vitest';
import type { BackendDescription } from '../../src/engine/core/backend.ts';
import { examine } from '../../src/cli/findings.ts';
import { describeEnvironment, packageVersion } from '../../src/runs/environment.ts';

describe('what a machine is found to be', () => {
  test('is told part by part, each with a way out where it is not good', async () => {
    const { findings, version, backend } = await examine();
    expect(version).toBe(packageVersion());
    expect(backend.threads).toBeGreaterThan(0);
    expect(findings.map(({ part }) => part)).toEqual([
      ...[
        'Node.js',
        'processor',
        'memory',
        'oneDNN',
        'PyTorch',
        'ffmpeg, ffprobe',
        'MPI',
        'NCCL',
        'sharp',
        'disk',
      ],
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

  test('a PyTorch that is not where the user says is amiss, one that nobody asked for is not', async () => {
    vi.stubEnv('USCL_TORCH', 'no such folder');
    const { findings } = await examine();
    vi.unstubAllEnvs();
    const torch = findings.find(({ part }) => part === 'PyTorch')!;
    expect(torch).toMatchObject({ state: 'poor', found: 'not found where USCL_TORCH says' });
    expect(torch.mend).toContain('pip install torch');
  });

  test('and what a run was computed on', () => {
    const backend: BackendDescription = {
      ...{ name: 'reference', library: 'TypeScript', device: 'cpu', threads: 1 },
      instructionSet: 'none',
      precisions: ['f32'],
    };
    const found = describeEnvironment(backend);
    expect(found).toMatchObject({ uscl: packageVersion(), node: process.version, backend });
    expect(found.uscl).toMatch(/^\d+\.\d+\.\d+/);
    expect(found.revision ?? '0'.repeat(40)).toMatch(/^[0-9a-f]{40}\+?$/);
    expect(found.processors).toBeGreaterThan(0);
  });
});
