/**
 * Loading libtorch on systems that this test does not run on, by a library that is made up: names, paths, endings, order, flags, the
 * functions that are asked for, versions, and what must not come together. Names of files and functions were read in the wheels of 2.10.0.
 */
import type { LibraryHandle } from 'koffi';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { openMpAmong } from '../../src/engine/native/openmp-runtimes.ts';
import { bindKernels } from '../../src/engine/torch/native/binding.ts';
import { openDevice } from '../../src/engine/torch/native/device.ts';
import { allocationFailure, torchFailure, wordsOf } from '../../src/engine/torch/native/failure.ts';
import {
  type Library,
  loadLibraries,
  openMpBeside,
  type System,
} from '../../src/engine/torch/native/loading.ts';

interface Fake {
  readonly platform?: NodeJS.Platform;
  /** Files that are there. */
  readonly files: readonly string[];
  /** Of the interface, as the library tells it; null: a library from before there was one. */
  readonly version?: readonly [number, number, number] | null;
  /** Files that the process has loaded before. */
  readonly loaded?: readonly string[];
  /** Files that the system does not load, with its words. */
  readonly broken?: Readonly<Record<string, string>>;
  /** Functions that the library lacks. */
  readonly without?: RegExp;
}

/** A system with a library that has every function, and what was asked of both, in order. */
function fake({
  platform = 'linux',
  files,
  version = [2, 10, 0],
  loaded = [],
  broken = {},
  without = /^torch_(exception|new_stable)/,
}: Fake) {
  const calls: string[] = [];
  const load = (file: string): LibraryHandle => {
    calls.push(`load ${file}`);
    const words = broken[file];
    if (words !== undefined) throw new Error(words);
    const func = (...given: readonly unknown[]): unknown => {
      const name = given.length === 1 ? /(\S+)\(/.exec(String(given[0]))![1]! : String(given[0]);
      if (without.test(name) || (version === null && name.startsWith('aoti_torch_abi')))
        throw new Error(`cannot find the function ${name}`);
      return (...args: readonly unknown[]): unknown => {
        calls.push(`${name}(${args.join()})`);
        if (name !== 'aoti_torch_abi_version') return 0;
        const [major, minor, patch] = version!;
        return (BigInt(major) << 56n) | (BigInt(minor) << 48n) | (BigInt(patch) << 40n);
      };
    };
    return { func } as unknown as LibraryHandle;
  };
  const system: System = {
    platform,
    exists: (file) => files.includes(file),
    keep: (file, flags) => {
      calls.push(`keep ${file} 0x${flags.toString(16)}`);
      return broken[file] ?? null;
    },
    load,
    loaded: () => loaded,
  };
  return { system, calls };
}

function failureOf(action: () => unknown): UsclError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
  throw new Error('There was no error.');
}

const LINUX = { folder: '/torch/lib', files: ['/torch/lib/libtorch_cpu.so', '/torch/lib/libgomp.so.1'] };
const MAC = { folder: '/torch/lib', files: ['/torch/lib/libtorch_cpu.dylib', '/torch/lib/libomp.dylib'] };
const WINDOWS = {
  folder: 'C:\\torch\\lib',
  files: ['c10.dll', 'libiomp5md.dll', 'torch_cpu.dll', 'torch_cuda.dll', 'torch_global_deps.dll'].map(
    (name) => `C:\\torch\\lib\\${name}`,
  ),
};

describe('the libraries are loaded', () => {
  test.each([
    ['linux', LINUX, ['keep /torch/lib/libtorch_cpu.so 0x1002', 'load /torch/lib/libtorch_cpu.so']],
    ['darwin', MAC, ['keep /torch/lib/libtorch_cpu.dylib 0x82', 'load /torch/lib/libtorch_cpu.dylib']],
    [
      'win32',
      WINDOWS,
      ['libiomp5md', 'c10', 'torch_cpu'].map((library) => `load C:\\torch\\lib\\${library}.dll`),
    ],
  ] as const)('on %s by their names there, in order, to the end of the process', (platform, at, expected) => {
    const { system, calls } = fake({ platform, files: at.files });
    const library = loadLibraries(system, { folder: at.folder, version: null }, 3);
    expect(calls.filter((call) => /^(load|keep) /.test(call))).toEqual(expected);
    expect(library).toMatchObject({ folder: at.folder, version: '2.10.0', threads: 3 });
    const threads = platform === 'win32' ? '?set_num_threads@at@@YAXH@Z(3)' : '_ZN2at15set_num_threadsEi(3)';
    // The version is asked before any other function, and derivatives are off before a kernel runs.
    expect(calls.slice(expected.length)).toEqual([
      'aoti_torch_abi_version()',
      threads,
      'aoti_torch_grad_mode_set_enabled(0)',
    ]);
    expect([library.extras.lastError, library.extras.newCell]).toEqual([null, null]);
  });

  test('on Windows on arm64 without an OpenMP of the folder', () => {
    const files = ['C:\\torch\\lib\\c10.dll', 'C:\\torch\\lib\\torch_cpu.dll'];
    const { system, calls } = fake({ platform: 'win32', files });
    loadLibraries(system, { folder: WINDOWS.folder, version: '2.12.0' }, 1);
    expect(calls.slice(0, 2)).toEqual(files.map((file) => `load ${file}`));
  });

  test('of a GPU from the folder, where they are there', () => {
    const { system, calls } = fake({ platform: 'win32', files: WINDOWS.files });
    const library = loadLibraries(system, { folder: WINDOWS.folder, version: null }, 1);
    expect(['torch_cuda', 'torch_xpu'].map((name) => library.has(name))).toEqual([true, false]);
    library.load('torch_cuda');
    expect(calls.at(-1)).toBe('load C:\\torch\\lib\\torch_cuda.dll');
    const kernels = Object.keys(bindKernels(library.load('torch_cuda'), 'cuda'));
    expect(kernels).toContain('convolutionBackward');
  });

  test('with what newer ones have beside', () => {
    const { system } = fake({ files: LINUX.files, version: [2, 13, 0], without: /^$/ });
    const { extras } = loadLibraries(system, { folder: LINUX.folder, version: null }, 1);
    for (const one of Object.values(extras)) expect(one).toBeTypeOf('function');
  });
});

describe('what cannot be loaded is named with the system’s words', () => {
  test.each([
    ['linux', LINUX, '/torch/lib/libtorch_cpu.so', 'libcudart.so.12: cannot open shared object file'],
    ['darwin', MAC, '/torch/lib/libtorch_cpu.dylib', 'Library not loaded: @rpath/libc10.dylib'],
    ['win32', WINDOWS, 'C:\\torch\\lib\\c10.dll', 'The specified module could not be found'],
  ] as const)('on %s', (platform, { folder, files }, file, words) => {
    const { system } = fake({ platform, files, broken: { [file]: words } });
    const error = failureOf(() => loadLibraries(system, { folder, version: '2.10.0' }, 1));
    expect(error).toMatchObject({ code: 'TORCH_MISSING', kind: 'resource', where: folder });
    expect(error.message).toBe(`${file} cannot be loaded: ${words}.`);
    expect(error.remedy.includes('Visual C++')).toBe(platform === 'win32');
  });
});

describe('versions', () => {
  test.each([
    // The folder alone, without its package: 1.13 has no interface, 2.9 tells its number.
    [null, null, 'of an unknown version, without a stable interface,'],
    ['1.13.1', null, '1.13.1'],
    [null, [2, 9, 1], '2.9.1'],
    [null, [3, 0, 0], '3.0.0'],
  ] as const)(
    'of a package %s with an interface %s are refused before a function is used',
    (told, version, said) => {
      const { system, calls } = fake({ files: LINUX.files, version });
      const error = failureOf(() => loadLibraries(system, { folder: LINUX.folder, version: told }, 1));
      expect(error).toMatchObject({ code: 'TORCH_VERSION', kind: 'resource', where: LINUX.folder });
      expect(error.message).toBe(`PyTorch ${said} was found; this release drives 2.10 and later 2.x.`);
      expect(calls.filter((call) => !/^(keep|load|aoti_torch_abi_version)/.test(call))).toEqual([]);
    },
  );
});

describe('two runtimes of OpenMP', () => {
  const brew = '/opt/homebrew/opt/libomp/lib/libomp.dylib';
  const load = (platform: NodeJS.Platform, { folder, files }: typeof MAC, loaded: readonly string[]) =>
    loadLibraries(fake({ platform, files, loaded }).system, { folder, version: '2.10.0' }, 1);

  test('of one family are refused before the second is loaded: it would end the process', () => {
    const { system, calls } = fake({
      platform: 'darwin',
      files: MAC.files,
      loaded: ['/usr/lib/libSystem.dylib', brew],
    });
    const error = failureOf(() => loadLibraries(system, { folder: MAC.folder, version: '2.10.0' }, 1));
    expect(error).toMatchObject({ code: 'OPENMP_TWICE', kind: 'resource', where: '/torch/lib/libomp.dylib' });
    expect(error.message).toContain(brew);
    expect(error.remedy).toContain('--backend onednn');
    expect(calls).toEqual([]);
    expect(() => load('win32', WINDOWS as never, ['C:\\mkl\\libiomp5md.dll'])).toThrow(
      'C:\\mkl\\libiomp5md.dll',
    );
  });

  test('are one where they are one file, and GCC’s lives beside any', () => {
    load('darwin', MAC, ['/torch/lib/libomp.dylib']);
    load('darwin', MAC, []);
    load('linux', LINUX, ['/usr/lib/libgomp.so.1', '/opt/intel/libiomp5.so']);
  });

  test('are told with what is loaded and what would come: a libgomp that is there serves both', () => {
    const beside = (loaded: readonly string[]) => {
      const {
        loaded: there,
        coming,
        failure,
      } = openMpBeside(fake({ files: LINUX.files, loaded }).system, LINUX.folder);
      return [there, coming, failure?.code];
    };
    expect(beside(['/usr/lib/libgomp.so.1', '/usr/lib/libc.so.6'])).toEqual([
      ['/usr/lib/libgomp.so.1'],
      [],
      undefined,
    ]);
    const intel = '/opt/intel/libiomp5.so';
    expect(beside([intel])).toEqual([[intel], ['/torch/lib/libgomp.so.1'], undefined]);
  });

  test.each([
    ['libomp.so', true],
    ['libomp.so.5', true],
    ['libomp-a34b3233.so.1', true],
    ['libiomp5.so', true],
    ['libiomp5md.dll', true],
    ['libomp140.x86_64.dll', true],
    ['libomptarget.so', false],
    ['libiompstubs5md.dll', false],
    ['libgomp-a34b3233.so.1', false],
  ])('are known by their names: %s is of LLVM’s family: %s', (name, expected) => {
    expect(openMpAmong([`/any/${name}`]).llvm).toEqual(expected ? [`/any/${name}`] : []);
    expect(openMpAmong([`/any/${name}`]).gcc).toEqual(name.startsWith('libgomp') ? [`/any/${name}`] : []);
  });

  test.skipIf(process.platform !== 'linux' || spawnSync('cc', ['--version']).status !== 0)(
    'are found among what this process has loaded, whichever backend is the second (needs cc)',
    () => {
      const scratch = mkdtempSync(join(tmpdir(), 'uscl-openmp-'));
      onTestFinished(() => {
        rmSync(scratch, { recursive: true });
      });
      const [first, second] = ['first', 'second'].map((name) => {
        const file = join(scratch, name, 'libomp.so');
        mkdirSync(join(scratch, name));
        const built = spawnSync('cc', ['-shared', '-x', 'c', '-', '-o', file], { input: 'int made_up;' });
        expect(built.status).toBe(0);
        return file;
      });
      writeFileSync(join(scratch, 'second', 'libtorch_cpu.so'), 'no library');
      const program = `import { loadForeign } from './src/engine/native/foreign.ts';
import { openBackend } from './src/engine/open.ts';
import { prepareThreads } from './src/engine/native/openmp.ts';
const say = (kind) => {
  try { console.log(kind, openBackend({ kind, device: 'cpu', onFallback: (words) => console.log(words) }).describe().name); }
  catch (error) { console.log(kind, error.code, error.message); }
};
prepareThreads(1);
loadForeign(${JSON.stringify(first)});
say('torch');
process.env.KMP_DUPLICATE_LIB_OK = 'TRUE';
say('torch');
delete process.env.KMP_DUPLICATE_LIB_OK;
loadForeign(${JSON.stringify(second)});
say('onednn');
say('auto');`;
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', program],
        {
          ...{ cwd: join(import.meta.dirname, '..', '..'), encoding: 'utf8' },
          env: { ...process.env, USCL_TORCH: join(scratch, 'second') },
        },
      );
      const both = `${first} and ${second}`;
      const lines = stdout.trim().split('\n');
      expect(lines, stderr).toHaveLength(5);
      expect(lines[0]).toContain(`torch OPENMP_TWICE Two OpenMP runtimes would run in this process, ${both}`);
      expect(lines[1]).toContain('torch TORCH_MISSING');
      expect(lines[2]).toMatch(/^onednn OPENMP_TWICE /);
      expect(lines[2]).toContain(both);
      expect(lines[3]).toContain(both);
      expect(lines[4]).toBe('auto reference');
    },
  );
});

describe('a device', () => {
  const library = (files: readonly string[], version = '2.10.0'): Library =>
    loadLibraries(fake({ files }).system, { folder: LINUX.folder, version }, 1);

  test('that the build has no kernels for is refused, with the way to one that has', () => {
    const error = failureOf(() => openDevice(library(LINUX.files, '2.15.0+cpu'), 'cuda'));
    expect(error).toMatchObject({ code: 'TORCH_DEVICE', kind: 'resource', where: 'device cuda' });
    expect(error.message).toBe(
      'PyTorch cannot compute on cuda: PyTorch 2.15.0+cpu in /torch/lib is built without it.',
    );
    expect(error.remedy).toContain('PyTorch with CUDA');
  });
});

describe('memory that is not there', () => {
  test.each([
    'CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB',
    'CUDA error: out of memory',
    'MPS backend out of memory (MPS allocated: 18.03 GB)',
    'XPU out of memory. Tried to allocate 4.00 GiB',
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4398046511104 bytes",
    'DefaultCPUAllocator: not enough memory: you tried to allocate 4398046511104 bytes.',
    'cuDNN error: CUDNN_STATUS_ALLOC_FAILED',
    'CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`',
    'std::bad_alloc',
  ])('is said as such: %s', (words) => {
    const error = torchFailure('a convolution', words);
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', kind: 'resource' });
    expect(error.message).toContain(words);
    expect(error.remedy).toContain('batch.size');
  });

  test('is what an allocation fails of where the reason is only printed; of another call nothing is guessed', () => {
    const untold = wordsOf({ lastError: null });
    expect(allocationFailure('8 × 8 numbers', untold)).toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(torchFailure('a convolution', untold)).toMatchObject({ code: 'TORCH_FAILED' });
    expect(allocationFailure('8 numbers', 'CUDA error: device-side assert triggered')).toMatchObject({
      code: 'TORCH_FAILED',
    });
  });
});
