/** A study as the real program does it: killed at drawn moments and gone on with, or done by two processes at once. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { runUntil, uscl } from '../cli/run.ts';
import { smallStudy, writeStudy } from './support.ts';

/** Results of all jobs, without what differs from run to run: times. */
export function resultsIn(out: string): Readonly<Record<string, unknown>> {
  const folder = join(out, 'jobs');
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => {
        const {
          made: _made,
          stepSeconds: _seconds,
          ...rest
        } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
        return [name, rest];
      }),
  );
}

function argumentsFor(folder: string, data: string): readonly string[] {
  const path = writeStudy(folder, smallStudy());
  const [out, work] = [join(folder, 'out'), join(folder, 'work')];
  return ['study', path, '--data', data, '--out', out, '--work', work, '--threads', '1'];
}

/** Kills a study so many times, lets it end, and returns what it left. */
export async function killedStudy(folder: string, data: string, kills: number): Promise<unknown> {
  const args = argumentsFor(folder, data);
  const jobs = join(folder, 'out', 'jobs');
  const done = (): number => (existsSync(jobs) ? readdirSync(jobs).length : 0);
  const random = randomAt(5, 'kill-study');
  // 22 jobs in all; every third kill comes while it starts, the others in a later job.
  const places = Array.from({ length: kills }, () => random.integer(20)).sort((a, b) => a - b);
  for (const [kill, place] of places.entries()) {
    const moment =
      kill % 3 === 2
        ? { isDue: () => true, delay: random.between(100, 900) }
        : { isDue: () => done() >= place, delay: random.between(300, 1200) };
    expect(await runUntil(args, moment), `kill ${kill}`).toBe('SIGKILL');
  }
  const { code, stderr } = await uscl(args);
  expect(stderr).not.toContain('failed:');
  expect(code).toBe(0);
  return resultsIn(join(folder, 'out'));
}

/** Starts two processes on one study, and returns what they left. */
export async function twoProcesses(folder: string, data: string): Promise<unknown> {
  const args = argumentsFor(folder, data);
  const ends = await Promise.all([uscl(args), uscl(args)]);
  const did = ends.map(({ stderr }) => [...stderr.matchAll(/^done: (\S+) in/gm)].map(([, job]) => job!));
  for (const { code, stderr } of ends) {
    expect(stderr).not.toContain('failed:');
    expect(code).toBe(0);
  }
  // Each job was done by one of them, and each did some.
  expect(did.flat().sort()).toEqual([...new Set(did.flat())].sort());
  expect(did.flat()).toHaveLength(22);
  for (const own of did) expect(own.length).toBeGreaterThan(0);
  return resultsIn(join(folder, 'out'));
}
