/**
 * One page about a GPU, for whoever has one: is what uscl computes there right, how fast is it beside PyTorch, does a run go on
 * to the bit. Simulated clips, one process, about ten minutes. Everything comes from the package's own doors, so it runs in a
 * checkout and in the folder that `pack.ts` makes:
 *
 *     npm run bench:gpu -- [--device cuda] [--python python3] [--rehearse] [--out FOLDER]
 *     node run.mjs [--device cuda] [--python python3] [--rehearse] [--out FOLDER]
 *
 * `--python` has the PyTorch that is driven and compared with. `--rehearse` takes small networks and few rounds, to try the
 * script itself on a processor (`--device cpu`); its figures mean nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makePhantom, openBackend } from '../../src/index.ts';
import { compareWithPyTorch } from './golden.ts';
import { loaderSpeed } from './loader.ts';
import type { Device } from './part.ts';
import { resumedExactly } from './resume.ts';
import { compareSteps } from './steps.ts';

const { values: flags } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    python: { type: 'string', default: 'python3' },
    rehearse: { type: 'boolean', default: false },
    out: { type: 'string', default: 'gpu-page' },
  },
});
const device = flags.device as Device;
const { python, rehearse, out } = flags;
const scratch = mkdtempSync(join(tmpdir(), 'uscl-gpu-'));
process.on('exit', () => {
  rmSync(scratch, { recursive: true, force: true });
});
// The library that is driven is that of this Python, so both sides have the same kernels.
process.env['USCL_TORCH'] ??= execFileSync(
  python,
  [
    '-c',
    "import importlib.util, os; print(os.path.join(os.path.dirname(importlib.util.find_spec('torch').origin), 'lib'))",
  ],
  { encoding: 'utf8' },
).trim();

const lines: string[] = [];
const results: Record<string, unknown> = {};
const tell = (line: string): void => {
  lines.push(line);
  console.log(line);
};
const started = performance.now();

/** A part of the page. One that fails is told, and the others still run. */
async function part(title: string, work: () => unknown): Promise<boolean> {
  tell(`\n## ${title}\n`);
  const begun = performance.now();
  try {
    results[title] = await work();
    tell(`(${((performance.now() - begun) / 1000).toFixed(0)} s)`);
    return true;
  } catch (thrown) {
    const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    results[title] = { failed: message };
    tell(`FAILED: ${message}`);
    return false;
  }
}

const about = (() => {
  using backend = openBackend({ kind: 'torch', device });
  return backend.describe();
})();
tell(`# uscl on ${about.library}${rehearse ? ' (a rehearsal: figures mean nothing)' : ''}\n`);
tell(
  `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} processors, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; ` +
    `Node.js ${process.version}; ${new Date().toISOString().slice(0, 10)}`,
);
if (device === 'cuda')
  tell(
    execFileSync('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'], {
      encoding: 'utf8',
    }).trim(),
  );

const good: boolean[] = [];
const at = { device, python, scratch, rehearse, tell };
good.push(await part('One training step, number by number, beside PyTorch', () => compareWithPyTorch(at)));
good.push(await part('A training step beside PyTorch', () => compareSteps(at)));
await makePhantom({ out: join(scratch, 'clips'), seed: 1, clips: 24, framesPerClip: 12, size: 256 });
good.push(await part('The loader', () => loaderSpeed(at)));
good.push(await part('A run that was stopped and resumed', () => resumedExactly(at)));

tell(
  `\n${good.filter(Boolean).length} of ${good.length} parts ran to their end, ${((performance.now() - started) / 1000).toFixed(0)} s.`,
);
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'page.md'), `${lines.join('\n')}\n`);
writeFileSync(join(out, 'page.json'), `${JSON.stringify({ about, rehearse, results }, null, 2)}\n`);
process.exitCode = good.every(Boolean) ? 0 : 1;
