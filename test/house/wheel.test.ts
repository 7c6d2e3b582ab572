/** The way to oneDNN without rights: what is unpacked of a wheel, and of what is no such wheel nothing. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import { WHEEL } from '../../src/engine/onednn/native/search.ts';
import { unpackWheel } from '../../scripts/wheel.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const scratch = mkdtempSync(join(tmpdir(), 'uscl-wheel-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const LIBRARY = Buffer.from('a library'.repeat(1000));
const entries = { 'own.data/lib/libdnnl.so.3': 'libdnnl.so.3', 'own.data/LICENSE': 'LICENSE' };

async function wheelOf(contents: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, bytes] of Object.entries(contents)) zip.addBuffer(bytes, name);
  zip.end();
  return buffer(zip.outputStream);
}

const good = (): Promise<Buffer> =>
  wheelOf({
    'own.data/lib/libdnnl.so.3': LIBRARY,
    'own.data/LICENSE': Buffer.from('free'),
    'own/setup.py': Buffer.from('never run'),
  });
const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('the pinned entries are unpacked, and nothing else; what was there before is replaced', async () => {
  const wheel = await good();
  const folder = join(scratch, 'cache', 'own');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'left.over'), '');
  await unpackWheel(wheel, { sha256: hash(wheel), entries }, folder);
  expect(readdirSync(folder).sort()).toEqual(['LICENSE', 'libdnnl.so.3']);
  expect(readFileSync(join(folder, 'libdnnl.so.3')).equals(LIBRARY)).toBe(true);
  expect(readdirSync(join(scratch, 'cache'))).toEqual(['own']);
});

test('one byte that is another one, and nothing is unpacked', async () => {
  const wheel = await good();
  const sha256 = hash(wheel);
  wheel[wheel.length - 1]! ^= 1;
  const folder = join(scratch, 'damaged');
  await expect(unpackWheel(wheel, { sha256, entries }, folder)).rejects.toThrow(
    `its SHA-256 is ${hash(wheel)}, not ${sha256}. Nothing was unpacked.`,
  );
  expect(existsSync(folder)).toBe(false);
});

test('an entry that is not there, and nothing is unpacked', async () => {
  const wheel = await wheelOf({ 'own.data/LICENSE': Buffer.from('free') });
  const folder = join(scratch, 'without');
  await expect(unpackWheel(wheel, { sha256: hash(wheel), entries }, folder)).rejects.toThrow(
    'The wheel has no entry own.data/lib/libdnnl.so.3.',
  );
  expect(existsSync(folder)).toBe(false);
});

test('setting up looks for the same version', () => {
  const script = readFileSync(join(ROOT, 'scripts', 'setup.sh'), 'utf8');
  expect(script).toContain(`/uscl/${WHEEL.name}-${WHEEL.version}/libdnnl.so.3`);
});

test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'the script refuses another file, says why, and leaves the cache alone',
  () => {
    const cache = join(scratch, 'xdg');
    const other = join(scratch, 'other.whl');
    writeFileSync(other, 'no wheel');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', join('scripts', 'onednn.ts'), '--wheel', other],
      { cwd: ROOT, env: { ...process.env, XDG_CACHE_HOME: cache }, encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 5, stdout: '' });
    expect(stderr).toMatch(
      /^onednn: The wheel is not the one that was pinned: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}\. Nothing was unpacked\.\n$/,
    );
    expect(existsSync(cache)).toBe(false);
  },
);
