/** Signals that come while kernels run are handled after them: oneDNN's matrix products leave no room on their stack. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A linear layer whose product oneDNN makes on a stack of its own; all weights and images are powers of two. */
const PRODUCTS = `import { openBackend } from './src/engine/open.ts';
const backend = openBackend({ kind: 'onednn', threads: 2 });
const network = { input: [512], nodes: [{ kind: 'linear', name: 'fc', input: 'input', features: 2963 }], outputs: ['fc'] };
const parameters = backend.createParameters(network);
parameters.values.write(new Float32Array(parameters.values.length).fill(0.5));
const plan = backend.compile(network, parameters, { batch: 64, mode: 'infer', precision: 'f32' });
plan.input.fill(0.25);
const wrong = (times) => {
  let count = 0;
  for (let i = 0; i < times; i++) {
    plan.forward();
    for (const value of plan.output('fc')) if (value !== 64.5) count++;
  }
  return count;
};`;

describe.runIf(process.platform === 'linux')('signals while kernels run', () => {
  it('write into no memory but their own: a sampled program ends well, with right products', () => {
    const folder = mkdtempSync(join(tmpdir(), 'uscl-signals-'));
    folders.push(folder);
    const sampled = ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', folder];
    const script = `${PRODUCTS} console.log(wrong(400));`;
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [...sampled, '--import', 'tsx', '--input-type=module', '-e', script],
      { cwd: root, encoding: 'utf8' },
    );
    expect({ status, signal, stdout: stdout.trim(), stderr }).toEqual({
      ...{ status: 0, signal: null, stdout: '0', stderr: '' },
    });
    expect(readdirSync(folder)).not.toEqual([]);
  });

  it('are heard afterwards, and the thread takes those it took before', async () => {
    const script = `${PRODUCTS}
import { readFileSync } from 'node:fs';
const blocked = () => /SigBlk:\\s*(\\S+)/.exec(readFileSync('/proc/self/task/' + process.pid + '/status', 'utf8'))[1];
const before = blocked();
plan.forward();
const after = blocked();
let heard = 0;
process.on('SIGINT', () => heard++);
console.log('ready');
const end = Date.now() + 20000;
const go = () => {
  const count = wrong(50);
  if (count > 0) console.log('wrong', count);
  else if (heard > 0) { console.log(JSON.stringify({ before, after })); process.exit(0); }
  else if (Date.now() > end) process.exit(3);
  else setImmediate(go);
};
go();`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (said === '') child.kill('SIGINT');
      said += text;
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
    const { before, after } = JSON.parse(said.trim().split('\n').at(-1)!) as Record<string, string>;
    expect(after).toBe(before);
  });
});
