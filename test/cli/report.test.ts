/** `uscl report` as a program: what it prints, where, and its exit codes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixtureDataset, fixtureFinetune, scratchFolder } from '../report/fixture.ts';
import { compileProgram, uscl } from './run.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);

beforeAll(async () => {
  compileProgram();
  await fixtureDataset(at('data'));
  await fixtureFinetune(at('run'), at('data'), { skill: 0.5 });
});

describe('uscl report', () => {
  test('writes the page, warns of pictures, and prints one object with --json', async () => {
    const result = await uscl([
      'report',
      at('run'),
      '--out',
      at('a.html'),
      '--dataset',
      at('data'),
      '--mistakes',
      '4',
      '--json',
    ]);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({
      format: 'uscl-report',
      runs: [{ name: 'run', kind: 'finetuning' }],
      pictures: 4,
      bytes: readFileSync(at('a.html')).byteLength,
    });
    expect(result.stderr).toContain('It holds 4 pictures of clips: pass it on only where');
  });

  test('refuses in a line that says what to do, with the exit code of its kind', async () => {
    const nothing = await uscl(['report', at('nowhere'), '--out', at('b.html')]);
    expect(nothing).toMatchObject({ code: 2, stdout: '' });
    expect(nothing.stderr).toMatch(/^error: There is nothing at .*\n {2}Give folders that `uscl pretrain`/m);
    const missing = await uscl(['report', at('run')]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('--out');
  });
});
