/** Threads of the kernels have a processor each where they are as many; what the program starts beside them may use all. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const processors = availableParallelism();

/** Runs a small network in a process of its own, and looks at the processors that each of its threads may use. */
const LOOK = `import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { openBackend } from './src/engine/open.ts';
import { oddNetwork } from './test/engine/helpers.ts';
const listOf = (path) => /Cpus_allowed_list:\\s*(\\S+)/.exec(readFileSync(path + '/status', 'utf8'))[1];
const tasks = () => readdirSync('/proc/self/task');
const before = tasks();
const all = listOf('/proc/self');
const backend = openBackend({ kind: 'onednn', threads: Number(process.env.COUNT) });
const network = oddNetwork(64);
const parameters = backend.createParameters(network);
const plan = backend.compile(network, parameters, { batch: 64, mode: 'train', precision: 'f32' });
plan.forward();
plan.backward();
const kernels = tasks().filter((id) => !before.includes(id)).map((id) => listOf('/proc/self/task/' + id));
const child = /Cpus_allowed_list:\\s*(\\S+)/.exec(execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' }))[1];
console.log(JSON.stringify({ said: process.env.OMP_PROC_BIND ?? null, all, main: listOf('/proc/self'), child, kernels }));`;

interface Seen {
  /** What programs started by this one would be told. */
  readonly said: string | null;
  readonly all: string;
  readonly main: string;
  readonly child: string;
  readonly kernels: readonly string[];
}

function look(threads: number, environment: Readonly<Record<string, string>> = {}): Seen {
  const { OMP_PROC_BIND: _bind, OMP_PLACES: _places, ...rest } = process.env;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', LOOK],
    { cwd: root, env: { ...rest, COUNT: String(threads), ...environment }, encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Seen;
}

const isSingle = (list: string): boolean => /^\d+$/.test(list);

describe.runIf(process.platform === 'linux' && processors > 1)('on Linux with several processors', () => {
  it('binds each thread of the kernels to a processor of its own, and nothing else', () => {
    const { said, all, main, child, kernels } = look(processors);
    expect(said).toBeNull();
    const bound = kernels.filter(isSingle);
    expect(bound).toHaveLength(processors - 1);
    expect(new Set(bound).size).toBe(processors - 1);
    // Between two passes the program itself and what it starts are free.
    expect(main).toBe(all);
    expect(child).toBe(all);
    // Threads of Node that came meanwhile are free too.
    for (const list of kernels) expect([...bound, all]).toContain(list);
  });

  it('binds nothing where there are fewer threads than processors: another program may have the same ones', () => {
    const { all, main, kernels } = look(processors - 1);
    expect(main).toBe(all);
    for (const list of kernels) expect(list).toBe(all);
  });

  it('leaves threads where the user wants them', () => {
    const { all, main, kernels } = look(processors, { OMP_PROC_BIND: 'false' });
    expect(main).toBe(all);
    for (const list of kernels) expect(list).toBe(all);
  });
});
