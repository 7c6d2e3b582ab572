/** Where oneDNN is looked for and what is taken, with a loader that is given. */
import { describe, expect, test } from 'vitest';
import {
  candidatesOf,
  failureOf,
  isSupported,
  NOT_THERE,
  search,
  type Look,
  type Machine,
  type Version,
} from '../../src/engine/onednn/native/search.ts';

const linux: Machine = { platform: 'linux', environment: {}, home: '/people/one' };
const CACHED = 'uscl/onednn-cpu-gomp-2023.2.0/libdnnl.so.3';

/** A loader that knows these files alone. */
const loader =
  (known: Readonly<Record<string, Version | string>>) =>
  (file: string): Look => {
    const found = known[file];
    if (found === undefined) return { kind: 'absent', reason: NOT_THERE };
    if (typeof found === 'string') return { kind: 'foreign', reason: found };
    return { kind: 'library', path: `/lib/${file}`, version: found };
  };

const files = (machine: Machine): readonly string[] => candidatesOf(machine).map(({ file }) => file);

describe('the places', () => {
  test('are those of 2.x, of 3.x, and names of majors that are not driven, to name them', () => {
    expect(candidatesOf(linux)).toEqual([
      { file: 'libdnnl.so.2', from: 'system' },
      { file: `/people/one/.cache/${CACHED}`, from: 'npm run onednn' },
      { file: 'libdnnl.so.3', from: 'system' },
      { file: 'libdnnl.so.4', from: 'system' },
      { file: 'libdnnl.so.1', from: 'system' },
    ]);
  });

  test('begin with an environment of conda for each major', () => {
    const found = files({ ...linux, environment: { CONDA_PREFIX: '/opt/conda' } });
    for (const major of [2, 3]) {
      const own = found.indexOf(`/opt/conda/lib/libdnnl.so.${major}`);
      expect(own).toBeGreaterThan(-1);
      expect(own).toBeLessThan(found.indexOf(`libdnnl.so.${major}`));
    }
    expect(files({ ...linux, environment: { CONDA_PREFIX: '' } })).toEqual(files(linux));
  });

  test('are Homebrew’s two folders on macOS', () => {
    const found = files({ ...linux, platform: 'darwin' });
    for (const folder of ['/opt/homebrew/lib', '/usr/local/lib'])
      for (const major of [2, 3]) expect(found).toContain(`${folder}/libdnnl.${major}.dylib`);
    expect(found.filter((file) => file.includes('.so'))).toEqual([]);
  });

  test('have the cache where XDG_CACHE_HOME wants it, unless that is no absolute path', () => {
    expect(files({ ...linux, environment: { XDG_CACHE_HOME: '/big' } })).toContain(`/big/${CACHED}`);
    for (const relative of ['big', ''])
      expect(files({ ...linux, environment: { XDG_CACHE_HOME: relative } })).toEqual(files(linux));
  });

  test('are the variable’s alone where it is set', () => {
    const environment = { USCL_DNNL: '/own/libdnnl.so', CONDA_PREFIX: '/opt/conda' };
    expect(candidatesOf({ ...linux, environment })).toEqual([{ file: '/own/libdnnl.so', from: 'USCL_DNNL' }]);
    expect(files({ ...linux, environment: { USCL_DNNL: '' } })).toEqual(files(linux));
  });
});

describe('the search', () => {
  test('takes the first that is driven, and looks at none after it', () => {
    const look = loader({ 'b.so': 'it is a song', 'c.so': [4, 0, 0], 'd.so': [3, 2, 0], 'e.so': [2, 6, 3] });
    const seen: string[] = [];
    const candidates = ['a.so', 'b.so', 'c.so', 'd.so', 'e.so'].map((file) => ({ file, from: 'system' }));
    const { searched, taken } = search(candidates, (file) => {
      seen.push(file);
      return look(file);
    });
    expect(taken).toEqual({ path: '/lib/d.so', version: [3, 2, 0] });
    expect(seen).toEqual(['a.so', 'b.so', 'c.so', 'd.so']);
    expect(searched.map(({ state, version, reason }) => [state, version, reason])).toEqual([
      ['absent', null, NOT_THERE],
      ['foreign', null, 'it is a song'],
      ['unsupported', '4.0.0', null],
      ['taken', '3.2.0', null],
      ['not tried', null, null],
    ]);
  });

  test.each<[Version, boolean]>([
    [[1, 8, 0], false],
    [[2, 5, 4], false],
    [[2, 6, 0], true],
    [[2, 7, 5], true],
    [[3, 0, 0], true],
    [[3, 13, 1], true],
    [[4, 0, 0], false],
  ])('of oneDNN %j: driven is %s', (version, expected) => {
    expect(isSupported(version)).toBe(expected);
  });

  test.each<[Version]>([[[1, 7, 0]], [[4, 1, 0]]])('says so where there is nothing but %j', (version) => {
    const { searched, taken } = search(
      candidatesOf(linux),
      loader({ [`libdnnl.so.${version[0]}`]: version }),
    );
    expect(taken).toBeUndefined();
    expect(failureOf(searched)).toMatchObject({
      code: 'ONEDNN_VERSION',
      kind: 'resource',
      message: `libdnnl.so.${version[0]} is oneDNN ${version.join('.')}; this release drives 2.6 and later 2.x, and 3.x.`,
      where: `libdnnl.so.${version[0]}`,
    });
  });

  test('names every place where there is nothing, and the way out', () => {
    const error = failureOf(search(candidatesOf(linux), loader({})).searched);
    expect(error.code).toBe('ONEDNN_MISSING');
    for (const file of files(linux)) expect(error.message).toContain(file);
    expect(error.message.endsWith('cannot be opened.')).toBe(true);
    for (const way of ['libdnnl2', 'libdnnl3', 'brew install onednn', 'npm run onednn'])
      expect(error.remedy).toContain(way);
  });

  test('tells why a library that is there cannot be loaded', () => {
    const { searched } = search(candidatesOf(linux), (file) => ({
      kind: 'absent',
      reason: file === 'libdnnl.so.3' ? 'libgomp.so.1: cannot open shared object file' : NOT_THERE,
    }));
    const error = failureOf(searched);
    expect(error.code).toBe('ONEDNN_MISSING');
    expect(error.message).toMatch(/cannot be opened\. libgomp\.so\.1: cannot open shared object file\.$/);
  });
});
