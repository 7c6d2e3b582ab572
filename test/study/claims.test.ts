import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Claims } from '../../src/study/claims.ts';
import { scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const host = hostname().replaceAll(/[^A-Za-z0-9]/g, '_');

test('a job that another living process claims is not given, and is once that process has died', () => {
  const claims = new Claims(join(scratch, 'one'));
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const stat = readFileSync(`/proc/${child.pid!}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
  const path = join(scratch, 'one', 'claims', `job~${host}~${child.pid!}~${started}`);
  writeFileSync(path, '');
  expect(claims.take('job')).toBeNull();
  {
    using other = claims.take('other');
    expect(other).not.toBeNull();
  }
  spawnSync('kill', ['-9', String(child.pid!)]);
  for (let i = 0; i < 200 && isThere(child.pid!); i++) spawnSync('sleep', ['0.02']);
  using mine = claims.take('job');
  expect(mine).not.toBeNull();
  // What the dead one left is cleared.
  expect(readdirSync(join(scratch, 'one', 'claims'))).toEqual([
    expect.stringContaining(`~${process.pid}~`) as string,
  ]);
});

function isThere(pid: number): boolean {
  // A killed child that nobody has waited for still has an entry: Z.
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

test('a claim ends when it is disposed of, and a reused process id is another process', () => {
  const work = join(scratch, 'two');
  const claims = new Claims(work);
  // The process with id 1 lives, and was not started at tick 5 million million.
  writeFileSync(join(work, 'claims', `job~${host}~1~5000000000000`), '');
  const claim = claims.take('job');
  expect(claim).not.toBeNull();
  claim?.[Symbol.dispose]();
  expect(readdirSync(join(work, 'claims'))).toEqual([]);
});

test('of a process on another machine nothing is known, so it has the job', () => {
  const work = join(scratch, 'three');
  const claims = new Claims(work);
  writeFileSync(join(work, 'claims', 'job~elsewhere~12~34'), '');
  expect(claims.take('job')).toBeNull();
});
