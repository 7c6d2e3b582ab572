/**
 * The package as others install it, on several versions of Node.js: packed, installed into an empty project, used by ten
 * lines of JavaScript, by TypeScript in its strictest form, and from the command line. All versions must give the same numbers.
 * With `--suite` all tests run on each of them too, which takes ten minutes a version. Then the engine's tests on each major
 * of oneDNN that is here, with all instructions and with fewer (`libraries.ts`), which takes a quarter of an hour. Then the tests of the
 * engine and of training on two versions of PyTorch (`torch-trials.ts`), which takes half an hour. Then the engine's on an emulated arm64 (`arm64.ts`).
 *
 *     npm run test:matrix -- [--part versions,libraries,torch,arm64] [--node 20.20.2,22.23.5,24.22.3] [--suite]
 *
 * Versions of Node.js come from the package registry, as the packages that carry Node.js for this platform.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tryArm64 } from './arm64.ts';
import { tryLibraries } from './libraries.ts';
import { tryTorch } from './torch-trials.ts';
import type { Trial } from './trial.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PARTS = ['versions', 'libraries', 'torch', 'arm64'];
const { values: flags } = parseArgs({
  options: {
    part: { type: 'string', default: PARTS.join() },
    node: { type: 'string', default: '20.20.2,22.23.5,24.22.3' },
    suite: { type: 'boolean', default: false },
  },
});

const SCRIPT = `
import { makePhantom, openBackend, openDataset, pretrain } from 'uscl';
import { fillWholeView } from 'uscl/data';
import { embedderOf, loadBackbone, readBackbone } from 'uscl/training';

const set = ['view.size=32', 'model.width=8', 'training.epochs=1', 'batch.size=4', 'precision=f32', 'threads=1'];
await makePhantom({ out: 'lung', clips: 6, size: 48 });
await pretrain({ dataset: 'lung', out: 'run', config: { set } });
const [dataset, source] = [openDataset('lung'), await readBackbone('run')];
const clip = dataset.clips[0];
const { plan } = loadBackbone(openBackend({ threads: 1 }), source);
fillWholeView(dataset.readFrame(clip, 0), clip, source.config.view, plan.input, 0);
console.log(embedderOf(plan).embed(plan.input, 1).join());
`;

/** What a command says; where it fails, an error of all that it said. */
function run(cwd: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
}

let failed = 0;
let passed = 0;
let absent = 0;
function check(name: string, action: () => void): void {
  try {
    action();
    passed++;
    console.log(`ok      ${name}`);
  } catch (thrown) {
    failed++;
    console.log(`FAILED  ${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

function tell({ name, state, detail }: Trial): void {
  if (state === 'ok') passed++;
  else if (state === 'absent') absent++;
  else failed++;
  console.log(`${state.padEnd(8)}${name}: ${detail}`);
}

const parts = flags.part.split(',');
for (const part of parts) if (!PARTS.includes(part)) throw new RangeError(`unknown part ${part}`);
if (parts.includes('versions')) checkVersions();
if (parts.includes('libraries')) tryLibraries(ROOT, tell);
if (parts.includes('torch')) await tryTorch(ROOT, tell);
if (parts.includes('arm64')) tryArm64(ROOT, tell);
console.log(`\n${passed} passed, ${failed} failed${absent === 0 ? '' : `, ${absent} could not be had here`}`);
process.exitCode = failed === 0 ? 0 : 1;

function checkVersions(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'uscl-matrix-'));
  try {
    run(ROOT, 'npm', 'pack', '--silent', '--pack-destination', scratch);
    const [tarball] = readdirSync(scratch);
    const answers = new Map<string, string>();
    for (const version of flags.node.split(',')) {
      const project = join(scratch, version);
      const carrier = `node-${platform() === 'win32' ? 'win' : platform()}-${arch()}`;
      const node = join(project, 'node_modules', carrier, 'bin', 'node');
      const uscl = join(project, 'node_modules', 'uscl', 'dist', 'cli', 'main.js');
      mkdirSync(project);
      writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
      writeFileSync(join(project, 'embed.mjs'), SCRIPT);
      writeFileSync(join(project, 'embed.ts'), SCRIPT.replace('clips[0]', 'clips[0]!'));
      check(`Node ${version}: npm install of the package`, () => {
        run(
          project,
          'npm',
          'install',
          '--silent',
          '--no-audit',
          '--no-fund',
          join(scratch, tarball!),
          `${carrier}@${version}`,
          'typescript@6',
          '@types/node@20',
        );
        if (run(project, node, '--version').trim() !== `v${version}`)
          throw new Error('another version answers');
      });
      check(`Node ${version}: JavaScript embeds a frame`, () => {
        answers.set(version, run(project, node, 'embed.mjs').trim().split('\n').at(-1)!);
        if (!/^[\d.e,-]+$/.test(answers.get(version)!)) throw new Error(`it says ${answers.get(version)!}`);
      });
      check(`Node ${version}: TypeScript takes the types`, () => {
        const strict = [
          '--noEmit',
          '--strict',
          '--module',
          'nodenext',
          '--target',
          'es2023',
          '--lib',
          'es2023,esnext.disposable',
          '--types',
          'node',
        ];
        run(project, node, join('node_modules', 'typescript', 'bin', 'tsc'), ...strict, 'embed.ts');
      });
      check(`Node ${version}: the command line`, () => {
        run(project, node, uscl, 'doctor', '--json');
        run(
          project,
          node,
          uscl,
          'embed',
          'run',
          'lung',
          '--frames',
          '1',
          '--out',
          'features.csv',
          '--overwrite',
        );
        run(project, node, uscl, 'report', 'run', '--out', 'report.html', '--overwrite');
      });
      if (flags.suite)
        check(`Node ${version}: all tests`, () => {
          const env = { ...process.env, PATH: `${dirname(node)}:${process.env['PATH'] ?? ''}` };
          const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
          const { status } = spawnSync(node, [vitest, 'run', '--reporter=dot'], {
            cwd: ROOT,
            env,
            stdio: 'inherit',
          });
          if (status !== 0) throw new Error(`vitest ended with ${status}`);
        });
    }
    check('all versions give the same numbers', () => {
      if (new Set(answers.values()).size !== 1) throw new Error(JSON.stringify([...answers]));
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
