/** Threads of the kernels have a processor each where they are as many; what the program starts beside them may use all. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BackendKind } from '../../src/engine/core/backend.ts';
import { FAST } from './kinds.ts';

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
const backend = openBackend({ kind: process.env.KIND, device: 'cpu', threads: Number(process.env.COUNT) });
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

function look(kind: BackendKind, threads: number, environment: Readonly<Record<string, string>> = {}): Seen {
  const { OMP_PROC_BIND: _bind, OMP_PLACES: _places, ...rest } = process.env;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', LOOK],
    { cwd: root, env: { ...rest, KIND: kind, COUNT: String(threads), ...environment }, encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Seen;
}

const isSingle = (list: string): boolean => /^\d+$/.test(list);

describe.runIf(process.platform === 'linux' && processors > 1).each(FAST)(
  'on Linux with several processors, %s',
  (kind) => {
    it('binds each thread of the kernels to a processor of its own, and nothing else', () => {
      const { said, all, main, child, kernels } = look(kind, processors);
      expect(said).toBeNull();
      const [first] = all.split(/[-,]/);
      // The first is the program's own while kernels run; a thread that PyTorch starts as it loads, and that sleeps, has it too.
      const bound = kernels.filter((list) => isSingle(list) && (kind === 'onednn' || list !== first));
      expect(bound).toHaveLength(processors - 1);
      expect(new Set(bound).size).toBe(processors - 1);
      // Between two passes the program itself and what it starts are free.
      expect(main).toBe(all);
      expect(child).toBe(all);
      // Threads of Node that came meanwhile are free too.
      for (const list of kernels)
        expect([...bound, all, ...(kind === 'onednn' ? [] : [first])]).toContain(list);
    });

    it('binds nothing where there are fewer threads than processors: another program may have the same ones', () => {
      const { all, main, kernels } = look(kind, processors - 1);
      expect(main).toBe(all);
      for (const list of kernels) expect(list).toBe(all);
    });

    it('leaves threads where the user wants them', () => {
      const { all, main, kernels } = look(kind, processors, { OMP_PROC_BIND: 'false' });
      expect(main).toBe(all);
      for (const list of kernels) expect(list).toBe(all);
    });
  },
);
