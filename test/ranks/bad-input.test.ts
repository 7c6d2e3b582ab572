/** Processes of a job that do not belong together, or one of which fails before all have met: one clear end, nothing written. */
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { compileProgram } from '../cli/run.ts';
import { scratchFolder, TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { launchedApart, launchers, MAIN } from './launchers.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const out = join(scratch, 'out');
const SETTINGS = ['batch.size=4', 'batch.lastBatch=drop'];

function argsOf(main = MAIN, folder = out): readonly string[] {
  const set = [...TINY_ONEDNN, ...SETTINGS].flatMap((setting) => ['--set', setting]);
  return [main, 'pretrain', dataset, '--out', folder, ...set];
}

/** The compiled program as another version, in a folder of its own. */
function anotherVersion(version: string): string {
  const root = join(scratch, version);
  cpSync(join(ROOT, 'dist'), join(root, 'dist'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as object;
  writeFileSync(join(root, 'package.json'), JSON.stringify({ ...own, version }));
  return join(root, 'dist', 'cli', 'main.js');
}

let other: string;

beforeAll(async () => {
  compileProgram();
  other = anotherVersion('99.0.0');
  await tinyDataset(dataset, { size: 32, clips: 16 });
});

test.skipIf(launchers.length > 0)('no mpirun: install mpich', (context) => {
  context.skip();
});

describe.each(launchers)('processes that $name has started', (launcher) => {
  /** Both end soon, with one line of what went wrong. */
  const ends = async (
    [first, second]: readonly [readonly string[], readonly string[]],
    expected: number,
    said: string | RegExp,
  ): Promise<void> => {
    const { code, stdout, stderr } = await launchedApart(launcher, first, second);
    expect(stderr).toMatch(said);
    expect(stderr.match(/^error/gm), stderr).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(expected);
    expect(existsSync(out)).toBe(false);
  };

  test('are of two versions of the program: both are named', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const another = 'Rank 1 of 2 has another version of the program than rank 0';
    await ends([argsOf(), argsOf(other)], 2, `${another}: 99.0.0 in place of ${version}.`);
  });

  test('are to write to two folders, or to do two kinds of work', async () => {
    const another = 'Rank 1 of 2 has another';
    const elsewhere = join(scratch, 'elsewhere');
    const said = `${another} output folder than rank 0: ${elsewhere} in place of ${out}.`;
    await ends([argsOf(), argsOf(MAIN, elsewhere)], 2, said);
    expect(existsSync(elsewhere)).toBe(false);
    const tuning = [MAIN, 'finetune', 'random', dataset, '--out', out];
    await ends(
      [argsOf(), tuning],
      2,
      `${another} kind of work than rank 0: fine-tuning in place of pretraining.`,
    );
  });

  test('do not wait for one that fails before it has joined them', async () => {
    const mistyped = [...argsOf(), '--nonsense'];
    await ends([argsOf(), mistyped], 2, "unknown option '--nonsense'");
    const nameless = [...argsOf(), '--method', './nowhere.js'];
    await ends([nameless, argsOf()], 2, 'The method file ./nowhere.js cannot be used');
    // It finds no library by which it could join.
    const lost = join(scratch, 'lost.mjs');
    writeFileSync(
      lost,
      `process.env.USCL_MPI = ${JSON.stringify(join(scratch, 'nowhere.so'))};
       process.argv = [process.execPath, ...${JSON.stringify(argsOf())}];
       await import(${JSON.stringify(MAIN)});`,
    );
    await ends(
      [argsOf(), [lost]],
      5,
      /error \(rank 1\): This is process 1 of several .* no MPI library was found/,
    );
  });
});
