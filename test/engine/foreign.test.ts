/** Foreign libraries come through one door: the stack of their functions, and the number of their threads. Each case is a process of its own. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { TORCH } from './kinds.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

/** Runs a program and returns what it prints, with how it ended where that was badly. */
function run(program: string, environment: Readonly<Record<string, string>> = {}): string {
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', program],
    { cwd: ROOT, env: { ...process.env, ...environment }, encoding: 'utf8' },
  );
  return status === 0 ? stdout.trim() : `${stdout}${stderr} ${String(status ?? signal)}`;
}

const TRIED = (work: string): string =>
  `try { ${work}; console.log('done'); } catch (error) { console.log(error.code, error.exitCode, error.message, error.remedy); }`;
const ALLOCATE = `import { allocateBlock } from './src/engine/native/memory.ts';`;

describe('the stack of foreign functions', () => {
  test('has its size before the first library is loaded', () => {
    const program = `import koffi from 'koffi';
${ALLOCATE}
allocateBlock(100);
console.log(koffi.config().sync_stack_size);`;
    expect(run(program)).toBe(String(8 * 2 ** 20));
  });

  test('that another part of the program has fixed too small is an error with the way out', () => {
    const program = `import koffi from 'koffi';
${ALLOCATE}
koffi.load(null);
${TRIED('allocateBlock(100)')}`;
    expect(run(program)).toMatch(
      /^FOREIGN_STACK 2 Foreign functions run on a stack of 2048 KiB .*want 8192: .* Open the backend first, or .*8388608/,
    );
  });

  test('that another part of the program has made large enough is taken as it is', () => {
    const program = `import koffi from 'koffi';
${ALLOCATE}
koffi.config({ sync_stack_size: 12 * 2 ** 20 });
koffi.load(null);
${TRIED('allocateBlock(100)')}
console.log(koffi.config().sync_stack_size);`;
    expect(run(program)).toBe(`done\n${12 * 2 ** 20}`);
  });

  // The GNU C library compiles parentheses of regular expressions by recursion.
  test.skipIf(process.platform !== 'linux')('is used: a call goes deeper than koffi would let it', () => {
    const program = (load: string): string => `import koffi from 'koffi';
import { loadForeign } from './src/engine/native/foreign.ts';
const regcomp = ${load}(null).func('int regcomp(void *compiled, const char *pattern, int flags)');
console.log(regcomp(Buffer.alloc(4096), '('.repeat(DEEP) + ')'.repeat(DEEP), 1));`;
    const deep = (load: string): string => run(program(load).replaceAll('DEEP', '10000'));
    expect([deep('loadForeign'), deep('koffi.load')]).toEqual(['0', expect.stringContaining('SIGSEGV')]);
  });
});

describe('the number of threads', () => {
  const KINDS = [
    ['onednn', 'oneDNN'] as const,
    ...(TORCH === undefined ? [] : [['torch', 'PyTorch'] as const]),
  ];

  test.each(KINDS)(
    'is that of %s where it came first: kept by all, other numbers are refused to all',
    (first, name) => {
      const asked = [first, ...KINDS.map(([kind]) => kind)].flatMap((kind, i) =>
        (i === 0 ? ['1'] : ['null', '1', '2']).map(
          (threads) =>
            `try { console.log(openBackend({ kind: '${kind}', device: 'auto', threads: ${threads} }).describe().threads); } catch (error) { console.log(error.code, error.exitCode, error.message, error.remedy); }`,
        ),
      );
      const refused = `THREADS_FIXED 2 ${name} already runs with 1 threads in this process; it cannot change to 2. Choose the number of threads before the first backend is opened.`;
      expect(
        run(`import { openBackend } from './src/engine/open.ts';\n${asked.join('\n')}`).split('\n'),
      ).toEqual(['1', ...KINDS.flatMap(() => ['1', '1', refused])]);
    },
  );

  test('is free again where a library was looked for and not found', () => {
    const program = `import { openBackend } from './src/engine/open.ts';
const absent = process.env.USCL_DNNL;
process.env.USCL_DNNL = 'nowhere/libdnnl.so.2';
${TRIED("openBackend({ kind: 'onednn', threads: 1 })")}
if (absent === undefined) delete process.env.USCL_DNNL; else process.env.USCL_DNNL = absent;
console.log(openBackend({ kind: 'onednn', threads: 2 }).describe().threads);`;
    expect(run(program)).toMatch(/^ONEDNN_MISSING .*\n2$/);
  });
});
