import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TORCH } from './kinds.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a program in a process of its own: a library, once loaded, stays. */
function run(
  program: string,
  environment: Readonly<Record<string, string>>,
): { readonly status: number | null; readonly stdout: string } {
  const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    cwd: root,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  });
  return { status: result.status, stdout: result.stdout + result.stderr };
}

const OPEN = `import { openBackend } from './src/engine/open.ts';
try {
  const backend = openBackend({ kind: process.argv[1] ?? 'auto', onFallback: (reason) => console.log('FALLBACK', reason) });
  console.log('NAME', backend.describe().name);
} catch (error) { console.log('CODE', error.code, error.message, error.remedy); }`;

/** What `uscl doctor` says. */
function doctor(environment: Readonly<Record<string, string>>): string {
  const args = ['--import', 'tsx', join('src', 'cli', 'main.ts'), 'doctor'];
  return spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  }).stdout;
}

describe('the native library', () => {
  it('that is absent is a loud fallback to the reference under auto', () => {
    const { stdout } = run(OPEN, { USCL_DNNL: 'nowhere/libdnnl.so.2', USCL_TORCH: 'nowhere' });
    expect(stdout).toMatch(/FALLBACK .*nowhere\/libdnnl\.so\.2.*hundred times slower.*libdnnl2/);
    expect(stdout).toContain('NAME reference');
  });

  it.skipIf(TORCH === undefined)('that is absent is a loud fallback to PyTorch where that is found', () => {
    const { stdout } = run(OPEN, { USCL_DNNL: 'nowhere/libdnnl.so.2' });
    expect(stdout).toMatch(/FALLBACK .*nowhere\/libdnnl\.so\.2.*PyTorch’s kernels.*libdnnl2/);
    expect(stdout).toContain('NAME torch');
  });

  it('that is absent is an error with the way out when oneDNN was asked for', () => {
    const { stdout } = run(OPEN.replace("process.argv[1] ?? 'auto'", "'onednn'"), {
      USCL_DNNL: 'nowhere/libdnnl.so.2',
    });
    expect(stdout).toMatch(/CODE ONEDNN_MISSING .*nowhere\/libdnnl\.so\.2.*libdnnl2/);
  });

  it('that is another library is named as such', () => {
    const { stdout } = run(OPEN.replace("process.argv[1] ?? 'auto'", "'onednn'"), { USCL_DNNL: 'libm.so.6' });
    expect(stdout).toMatch(/CODE ONEDNN_VERSION libm\.so\.6 is not oneDNN/);
  });

  it.skipIf(spawnSync('cc', ['--version']).status !== 0).each(['1.8.0', '2.5.4', '4.0.1'])(
    'of version %s is named with its version (needs cc)',
    (version) => {
      // A library that only answers dnnl_version.
      const source = `static int v[6] = {${version.split('.').join()}}; int *dnnl_version(void) { return v; }`;
      const file = join(tmpdir(), `uscl-version-${process.pid}-${version}.so`);
      expect(
        spawnSync('cc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', file], { input: source }).status,
      ).toBe(0);
      const { stdout } = run(OPEN.replace("process.argv[1] ?? 'auto'", "'onednn'"), { USCL_DNNL: file });
      const told = doctor({ USCL_DNNL: file });
      rmSync(file);
      expect(stdout).toMatch(
        /CODE ONEDNN_VERSION .* is oneDNN .*; this release drives 2\.6 and later 2\.x, and 3\.x/,
      );
      expect(stdout).toContain(`is oneDNN ${version};`);
      expect(told).toContain(`1. ${file} (USCL_DNNL): oneDNN ${version}, not supported`);
      expect(told).toMatch(/^MISS {2}oneDNN/m);
    },
  );

  it('that is taken is told by doctor, with the places before and after it', () => {
    const stdout = doctor({});
    const [, version = '', major = '', path = ''] =
      /^ok {4}oneDNN +oneDNN ((\d)\.\d+\.\d+) \(interface \d\.x\), (\S+), \d+ OpenMP threads$/m.exec(
        stdout,
      ) ?? [];
    expect(['2', '3']).toContain(major);
    expect(path).toContain('dnnl');
    expect(stdout).toContain(`: oneDNN ${version}, taken`);
    // The next part has places of its own.
    const own = stdout.slice(0, stdout.indexOf('PyTorch'));
    const places = own.split('\n').filter((line) => /^ +\d+\. /.test(line));
    const taken = places.findIndex((line) => line.endsWith('taken'));
    for (const line of places.slice(0, taken)) expect(line).toMatch(/: not there$/);
    for (const line of places.slice(taken + 1)) expect(line).toMatch(/: not tried$/);
  });

  it('lets the process end cleanly with its threads started', () => {
    const program = `import { openBackend } from './src/engine/open.ts';
import { resnet } from './src/models/resnet.ts';
const backend = openBackend({ kind: 'onednn', threads: 2 });
const network = resnet(18, { channels: 1, size: 32 });
const parameters = backend.createParameters(network);
const plan = backend.compile(network, parameters, { batch: 2, mode: 'train', precision: 'f32' });
plan.forward(); plan.backward(); console.log('DONE');`;
    for (let attempt = 0; attempt < 3; attempt++) {
      const { status, stdout } = run(program, {});
      expect(stdout).toContain('DONE');
      expect(status).toBe(0);
    }
  });
});
