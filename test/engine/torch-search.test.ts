/** Where PyTorch is looked for and what is taken, on machines that are given; which devices there may be. */
import { describe, expect, test } from 'vitest';
import { devicesOf, likelyGpus } from '../../src/engine/torch/native/gpus.ts';
import { failureOf, isSupported, searchTorch, type Machine } from '../../src/engine/torch/native/search.ts';

/** A machine with these packages of PyTorch, by their folders, and Pythons that would import them. */
function machine(
  given: Pick<Machine, 'platform'> & Partial<Machine>,
  packages: Readonly<Record<string, string>> = {},
  pythons: Readonly<Record<string, string>> = {},
): Machine {
  const [separator, name] = given.platform === 'win32' ? ['\\', 'torch_cpu.dll'] : ['/', null];
  const file = name ?? (given.platform === 'darwin' ? 'libtorch_cpu.dylib' : 'libtorch_cpu.so');
  return {
    ...{ environment: {}, home: given.platform === 'win32' ? 'C:\\people\\one' : '/people/one' },
    exists: (path) => Object.keys(packages).some((folder) => path === [folder, 'lib', file].join(separator)),
    read: (path) => {
      const found = Object.entries(packages).find(
        ([folder]) => path === [folder, 'version.py'].join(separator),
      );
      return found === undefined ? null : `from typing import Optional\n__version__ = '${found[1]}'\n`;
    },
    packageOf: (python) => pythons[python] ?? null,
    ...given,
  };
}

describe('the search', () => {
  test('asks the active environments, then the path’s Python, then the cache', () => {
    const environment = { VIRTUAL_ENV: '/venv', CONDA_PREFIX: '/conda' };
    const { searched, taken } = searchTorch(machine({ platform: 'linux', environment }));
    expect(taken).toBeUndefined();
    expect(searched.map(({ place, from }) => [place, from])).toEqual([
      ['/venv/bin/python', 'VIRTUAL_ENV'],
      ['/conda/bin/python', 'CONDA_PREFIX'],
      ['python3', 'PATH'],
      ['/people/one/.cache/uscl/torch-2.10.0/lib', 'npm run torch'],
    ]);
    const error = failureOf(searched);
    expect(error).toMatchObject({ code: 'TORCH_MISSING', kind: 'resource' });
    for (const { place } of searched) expect(error.message).toContain(place);
    expect(error.remedy).toContain('pip install torch');
  });

  test('takes the first that is driven, and looks no further', () => {
    const { searched, taken } = searchTorch(
      machine(
        { platform: 'linux', environment: { VIRTUAL_ENV: '/venv', CONDA_PREFIX: '/conda' } },
        { '/venv/torch': '2.9.1', '/conda/torch': '2.12.0+cu130' },
        { '/venv/bin/python': '/venv/torch', '/conda/bin/python': '/conda/torch', python3: '/venv/torch' },
      ),
    );
    expect(taken).toEqual({ folder: '/conda/torch/lib', version: '2.12.0+cu130' });
    expect(searched.map(({ state }) => state)).toEqual(['unsupported', 'taken', 'not tried', 'not tried']);
  });

  test('names an old one where there is no other', () => {
    const old = machine({ platform: 'linux' }, { '/usr/torch': '1.13.0' }, { python3: '/usr/torch' });
    expect(failureOf(searchTorch(old).searched)).toMatchObject({
      code: 'TORCH_VERSION',
      message: 'PyTorch 1.13.0 was found; this release drives 2.10 and later 2.x.',
      where: '/usr/torch/lib',
    });
  });

  test('looks in the variable’s folder alone where it is set, whose version may be told by the library only', () => {
    const environment = { USCL_TORCH: '/own/lib', VIRTUAL_ENV: '/venv' };
    const { searched } = searchTorch(machine({ platform: 'linux', environment }));
    expect(searched).toEqual([
      { place: '/own/lib', from: 'USCL_TORCH', state: 'absent', version: null, folder: null },
    ]);
    expect(failureOf(searched).where).toContain('USCL_TORCH');
    const bare = machine({ platform: 'linux', environment, exists: () => true });
    expect(searchTorch(bare).taken).toEqual({ folder: '/own/lib', version: null });
    const empty = searchTorch(machine({ platform: 'linux', environment: { USCL_TORCH: '' } }));
    expect(empty.searched.map(({ from }) => from)).toEqual(['PATH', 'npm run torch']);
  });

  test('knows the files of macOS and of Windows', () => {
    const mac = machine({ platform: 'darwin' }, { '/opt/torch': '2.11.0' }, { python3: '/opt/torch' });
    expect(searchTorch(mac).taken?.folder).toBe('/opt/torch/lib');
    const windows = machine(
      { platform: 'win32', environment: { VIRTUAL_ENV: 'C:\\venv' } },
      { 'C:\\venv\\torch': '2.10.0' },
      { 'C:\\venv\\Scripts\\python.exe': 'C:\\venv\\torch' },
    );
    expect(searchTorch(windows).taken?.folder).toBe('C:\\venv\\torch\\lib');
  });

  test.each([
    ['1.13.1', false],
    ['2.9.1', false],
    ['2.10.0', true],
    ['2.15.0+cu132', true],
    ['3.0.0', false],
  ])('of version %s: driven is %s', (version, expected) => {
    expect(isSupported(version)).toBe(expected);
  });
});

describe('GPUs', () => {
  test('may be where a driver shows a file, on Apple silicon, and on Windows', () => {
    const linux = (...files: readonly string[]) => likelyGpus('linux', 'x64', (file) => files.includes(file));
    expect(linux()).toEqual([]);
    expect(linux('/dev/nvidia0')).toEqual(['cuda']);
    expect(linux('/dev/dri/renderD128')).toEqual(['xpu']);
    expect(linux('/dev/dxg')).toEqual(['cuda', 'xpu']);
    expect(likelyGpus('darwin', 'arm64', () => true)).toEqual(['mps']);
    expect(likelyGpus('darwin', 'x64', () => true)).toEqual([]);
    expect(likelyGpus('win32', 'x64', () => false)).toEqual(['cuda', 'xpu']);
  });

  test('are driven where the folder has their kernels', () => {
    const having = (platform: NodeJS.Platform, ...names: readonly string[]) =>
      devicesOf(
        '/torch/lib',
        machine({ platform, exists: (file) => names.some((name) => file.endsWith(name)) }),
      );
    expect(having('linux', 'libtorch_cpu.so')).toEqual([]);
    expect(having('linux', 'libtorch_cpu.so', 'libtorch_cuda.so')).toEqual(['cuda']);
    expect(having('linux', 'libtorch_xpu.so')).toEqual(['xpu']);
    expect(having('darwin', 'libtorch_cpu.dylib')).toEqual(['mps']);
  });
});
