/**
 * The setup script on machines that lack something. Its world is a folder of programs: real ones by link, others made
 * up for the case, so that nothing is installed on the machine that tests.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileProgram } from '../cli/run.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SCRIPT = join(ROOT, 'scripts', 'setup.sh');
const scratch = mkdtempSync(join(tmpdir(), 'uscl-setup-'));
const TOOLS = [
  'node',
  'npm',
  'sh',
  'env',
  'find',
  'sort',
  'cat',
  'head',
  'tail',
  'grep',
  'dirname',
  'mktemp',
  'touch',
  'rm',
  'chmod',
  'mkdir',
  'ln',
  'uname',
  'sed',
];
let count = 0;

beforeAll(() => {
  compileProgram();
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

/** A folder to be the whole PATH: the usual tools and the given scripts. */
function world(scripts: Readonly<Record<string, string>>): string {
  const folder = join(scratch, `world${++count}`);
  mkdirSync(folder);
  for (const tool of TOOLS.filter((name) => !(name in scripts)))
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(),
      join(folder, tool),
    );
  for (const [name, body] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body.replaceAll('$WORLD', folder)}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

function setup(
  path: string,
  ...args: readonly string[]
): {
  readonly code: number | null;
  readonly said: string;
  readonly calls: string;
} {
  // A library named by the user counts as there; what is missing here is ffmpeg.
  const env = { PATH: path, HOME: scratch, USCL_DNNL: 'libdnnl.so.2' };
  const { status, stderr, stdout } = spawnSync('sh', [SCRIPT, ...args], { env, encoding: 'utf8' });
  expect(stdout).toBe('');
  const log = join(path, 'calls');
  return { code: status, said: stderr, calls: existsSync(log) ? readFileSync(log, 'utf8') : '' };
}

const LOG = 'echo "$0 $*" | sed "s:.*/::" >>$WORLD/calls';
const USER = 'echo 1000';
const FFMPEG = { ffmpeg: 'exit 0', ffprobe: 'exit 0' };
const OFFERED = 'echo "  Candidate: 7:5.1"';
/** Installing puts the programs there. */
const INSTALLING = `${LOG}
case "$*" in *install*ffmpeg*) printf '#!/bin/sh\\n' >$WORLD/ffmpeg; cp $WORLD/ffmpeg $WORLD/ffprobe; chmod +x $WORLD/ff*;; esac`;
const COPY = 'while IFS= read -r line; do printf "%s\\n" "$line"; done <"$1" >"$2"';
const debian =
  existsSync('/etc/os-release') &&
  /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));

test('says and does nothing when everything is there', () => {
  const { code, said, calls } = setup(world({ ...FFMPEG, id: USER, 'apt-get': LOG, npm: LOG }));
  expect({ code, said, calls }).toEqual({ code: 0, said: '', calls: '' });
});

test('without the right to install it names the command to type, goes on, and shows no trace', () => {
  const { code, said, calls } = setup(world({ id: USER, 'apt-get': LOG, 'apt-cache': OFFERED }));
  expect(code).toBe(0);
  expect(calls).toBe('');
  expect(said).toContain('ffmpeg is missing');
  expect(said).toContain(
    debian ? 'sudo apt-get update && sudo apt-get install -y ffmpeg' : 'the package ffmpeg',
  );
  expect(said).not.toMatch(/\bat .*:\d+|line \d+/);
});

test.runIf(debian)('as root it installs what is missing, and only that', () => {
  const { code, said, calls } = setup(
    world({ id: 'echo 0', 'apt-get': INSTALLING, 'apt-cache': OFFERED, cp: COPY }),
  );
  expect(code).toBe(0);
  expect(calls).toMatch(/^apt-get install -y .*ffmpeg\n$/);
  expect(said).not.toContain('missing');
  expect(said).toMatch(/\nsetup: ready\. .*npx uscl --help\n$/);
});

test.runIf(debian)(
  'with passwordless sudo it does the same, asking for package lists where there are none',
  () => {
    const sudo = `[ "$1" = -n ] && shift; "$@"`;
    const path = world({
      id: USER,
      sudo,
      true: 'exit 0',
      'apt-get': INSTALLING,
      'apt-cache': 'exit 0',
      cp: COPY,
    });
    const { code, calls } = setup(path);
    expect(code).toBe(0);
    expect(calls).toMatch(/^apt-get update .*\napt-get install -y .*ffmpeg\n$/);
  },
);

test.runIf(debian)(
  'an install that fails is tried once more with fresh lists, then left to the person',
  () => {
    const { code, said, calls } = setup(
      world({
        id: 'echo 0',
        'apt-get': `${LOG}\ncase "$*" in *install*) exit 100;; esac`,
        'apt-cache': OFFERED,
      }),
    );
    expect(code).toBe(0);
    expect(
      calls
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[1]),
    ).toEqual(['install', 'update', 'install']);
    expect(said).toContain('sudo apt-get install -y ffmpeg');
  },
);

test.runIf(debian)(
  'for tests it installs Chromium and MPICH too, unless a browser and an mpirun are there',
  () => {
    const root = { ...FFMPEG, id: 'echo 0', 'apt-get': LOG, 'apt-cache': OFFERED };
    expect(setup(world(root)).calls).toBe('');
    const { code, said, calls } = setup(world(root), '--tests');
    expect(code).toBe(0);
    expect(calls).toMatch(/^apt-get install -y .*chromium\napt-get install -y .*mpich\n/);
    expect(said).toContain('sudo apt-get install -y chromium');
    expect(said).toContain('sudo apt-get update && sudo apt-get install -y mpich');
    const both = { 'google-chrome': 'exit 0', mpirun: 'exit 0' };
    expect(setup(world({ ...root, ...both }), '--tests').calls).toBe('');
  },
);

test('for tests it gets PyTorch’s libraries where there are none, and goes on where they cannot be had', () => {
  const all = { ...FFMPEG, id: USER, chromium: 'exit 0', mpirun: 'exit 0' };
  const pip3 = `for word in "$@"; do case "$word" in --version|download|*==*) echo "$word" >>$WORLD/calls;; esac; done
case "$1" in download) echo 'no network here' >&2; exit 1;; esac`;
  expect(setup(world({ ...all, pip3 })).calls).toBe('');
  const { code, said, calls } = setup(world({ ...all, pip3 }), '--tests');
  expect(code).toBe(0);
  if (process.platform === 'linux' && process.arch === 'x64') {
    expect(calls.trim().split('\n')).toEqual([
      ...['--version', 'download', 'torch==2.10.0'],
      ...['nvidia-cuda-runtime-cu12==12.8.90', 'nvidia-cuda-cupti-cu12==12.8.90'],
    ]);
    expect(said).toMatch(/tests on its kernels are skipped .*\n.*no network here\n/);
  } else expect(said).toContain('These wheels have no library for');
  // What is there already is not asked for again: a Python’s package, the cache, a folder that the user names.
  const python3 = 'exit 0';
  expect(setup(world({ ...all, pip3, python3 }), '--tests')).toMatchObject({ calls: '', said: '' });
});

test('an old Node is one clear line and exit code 5', () => {
  const node = 'case "$1" in --version) echo v18.20.0;; *) exit 1;; esac';
  const { code, said } = setup(world({ ...FFMPEG, id: USER, node }));
  expect(code).toBe(5);
  expect(said).toBe(
    'setup: Node v18.20.0 is too old. Install Node 20.19 or newer, then run this command again.\n',
  );
});
