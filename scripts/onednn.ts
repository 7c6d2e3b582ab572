/**
 * oneDNN 3.x without administrator rights, for Linux on x86-64: the library out of the Python package that carries it, one
 * version, checked against its SHA-256, unpacked into the cache folder where the program looks for it. Nothing of the
 * package is run. pip downloads it, from where it is set up to; a wheel that is here already is taken with `--wheel`.
 *
 *     npm run onednn -- [--wheel FILE]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, thisMachine, WHEEL } from '../src/engine/onednn/native/search.ts';
import { unpackWheel } from './wheel.ts';

const { values: flags } = parseArgs({ options: { wheel: { type: 'string' } } });
const { name, version, sha256 } = WHEEL;
const inside = `${name.replaceAll('-', '_')}-${version}`;
const entries = {
  [`${inside}.data/data/lib/libdnnl.so.3`]: 'libdnnl.so.3',
  [`${inside}.data/data/share/doc/onednn/LICENSE`]: 'LICENSE',
  [`${inside}.data/data/share/doc/onednn/THIRD-PARTY-PROGRAMS`]: 'THIRD-PARTY-PROGRAMS',
};
/** Ways to call pip. */
const PIPS = [['pip3'], ['pip'], ['python3', '-m', 'pip']] as const;

try {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `The package ${name} has no library for ${process.platform} on ${process.arch}. Install oneDNN with your system's ` +
        'packages (macOS: brew install onednn; Debian, Ubuntu: libdnnl3 or libdnnl2).',
    );
  const folder = cacheFolder(thisMachine());
  await unpackWheel(
    flags.wheel === undefined ? downloaded() : readFileSync(flags.wheel),
    { sha256, entries },
    folder,
  );
  console.log(`${name} ${version} is in ${folder}. "npx uscl doctor" says which library is used.`);
} catch (thrown) {
  console.error(`onednn: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 5;
}

/** The wheel, as pip downloads it. */
function downloaded(): Buffer {
  const pip = PIPS.find(([command, ...args]) => spawnSync(command, [...args, '--version']).status === 0);
  if (pip === undefined)
    throw new Error(
      `pip is missing. Install it, or get the wheel of ${name} ${version} on another machine (pip download --no-deps ` +
        `${name}==${version}) and name it with --wheel FILE.`,
    );
  const scratch = mkdtempSync(join(tmpdir(), 'uscl-onednn-'));
  try {
    const [command, ...args] = pip;
    const what = ['download', '--no-deps', '--only-binary=:all:', '--no-input', '--quiet', '--dest', scratch];
    const { status, stderr } = spawnSync(command, [...args, ...what, `${name}==${version}`], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${command} could not download ${name} ${version}:\n${stderr.trim()}`);
    const [file, ...more] = readdirSync(scratch);
    if (file === undefined || more.length > 0) throw new Error(`${command} left no wheel, or more than one.`);
    return readFileSync(join(scratch, file));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
