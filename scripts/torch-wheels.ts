/**
 * PyTorch's libraries without PyTorch's Python, for Linux on x86-64 and for processors alone: five libraries out of three wheels of one
 * version, checked against their SHA-256, unpacked into a cache folder of that version. Nothing of the packages is run. pip downloads
 * them, from where it is set up to: there the wheels for all devices are the only ones.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheFolder, WHEEL_VERSION } from '../src/engine/torch/native/search.ts';
import { unpackLargeWheels } from './wheel.ts';

interface Package {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly entries: Readonly<Record<string, string>>;
}

const LIBRARIES = ['libtorch_cpu.so', 'libc10.so', 'libgomp.so.1'];
const torch = (version: string, sha256: string): Package => ({
  ...{ name: 'torch', version, sha256 },
  entries: {
    ...Object.fromEntries(LIBRARIES.map((library) => [`torch/lib/${library}`, `lib/${library}`])),
    'torch/version.py': 'version.py',
    [`torch-${version}.dist-info/licenses/LICENSE`]: 'LICENSE',
  },
});
/** What the libraries of the processor need of NVIDIA's: they load without a driver. */
const nvidia = (name: string, version: string, sha256: string, inside: string, licence: string): Package => {
  const library = inside.slice(inside.lastIndexOf('/') + 1);
  return {
    ...{ name, version, sha256 },
    entries: {
      [inside]: `lib/${library}`,
      [`${name.replaceAll('-', '_')}-${version}.dist-info/${licence}`]: `LICENSE-${library}`,
    },
  };
};

/** Versions that can be had, the oldest that is driven first; of each the wheels of this Python are pinned, which no Python reads. */
const PYTHON = '3.12';
const VERSIONS: Readonly<Record<string, readonly Package[]>> = {
  [WHEEL_VERSION]: [
    torch(WHEEL_VERSION, '98c01b8bb5e3240426dcde1446eed6f40c778091c8544767ef1168fc663a05a6'),
    nvidia(
      ...(['nvidia-cuda-runtime-cu12', '12.8.90'] as const),
      'adade8dcbd0edf427b7204d480d6066d33902cab2a4707dcfc48a2d0fd44ab90',
      ...(['nvidia/cuda_runtime/lib/libcudart.so.12', 'License.txt'] as const),
    ),
    nvidia(
      ...(['nvidia-cuda-cupti-cu12', '12.8.90'] as const),
      'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182',
      ...(['nvidia/cuda_cupti/lib/libcupti.so.12', 'License.txt'] as const),
    ),
  ],
  '2.15.0': [
    torch('2.15.0', '6d8c86f4e33a9f12a58149bd9b0d64351632b8eb44479be8ff85e5389932dd79'),
    nvidia(
      ...(['nvidia-cuda-runtime', '13.2.86'] as const),
      '3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0',
      ...(['nvidia/cu13/lib/libcudart.so.13', 'licenses/License.txt'] as const),
    ),
    nvidia(
      ...(['nvidia-cuda-cupti', '13.2.86'] as const),
      '8fa29f15dd8336181f961764d9d95236fc6b931dd0c8fcf8cd70aab0c310b586',
      ...(['nvidia/cu13/lib/libcupti.so.13', 'licenses/License.txt'] as const),
    ),
  ],
};

export const TORCH_VERSIONS: readonly string[] = Object.keys(VERSIONS);

/** Ways to call pip. */
const PIPS = [['pip3'], ['pip'], ['python3', '-m', 'pip']] as const;

export interface Wanted {
  /** Of wheels that are here already. */
  readonly folder?: string | undefined;
  /** Also where the libraries are in the cache. */
  readonly again?: boolean;
  /** How long a download may take; default: as long as it takes. */
  readonly seconds?: number | undefined;
}

/**
 * The folder of a version's libraries in the cache, brought there where it is not yet. Wheels are taken from `folder`, or else downloaded.
 * Throws an error for people.
 */
export async function bringTorch(
  version: string,
  { folder, again = false, seconds }: Wanted = {},
): Promise<string> {
  const packages = VERSIONS[version];
  if (packages === undefined)
    throw new Error(`There are no pinned wheels of ${version}, but of ${TORCH_VERSIONS.join(', ')}.`);
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `These wheels have no library for ${process.platform} on ${process.arch}. Install PyTorch (pip install torch) and activate ` +
        'its environment, or name the folder of its libraries with USCL_TORCH.',
    );
  const libraries = cacheFolder(
    { environment: process.env, home: homedir(), platform: process.platform },
    version,
  );
  // A folder that is there is whole.
  if (!again && folder === undefined && existsSync(libraries)) return libraries;
  const place = dirname(libraries);
  mkdirSync(dirname(place), { recursive: true });
  // Beside the cache: a folder for temporary files may be smaller than a wheel.
  const scratch = mkdtempSync(join(dirname(place), 'wheels-'));
  try {
    if (folder === undefined) download(packages, scratch, seconds);
    const from = folder ?? scratch;
    const files = readdirSync(from);
    const wheels = packages.map(({ name, version: wanted, sha256, entries }) => {
      const file = files.find((one) => one.startsWith(`${name.replaceAll('-', '_')}-${wanted}-`));
      if (file === undefined) throw new Error(`${from} has no wheel of ${name} ${wanted}.`);
      return { file: join(from, file), sha256, entries };
    });
    await unpackLargeWheels(wheels, place);
    return libraries;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function download(packages: readonly Package[], folder: string, seconds: number | undefined): void {
  const pip = PIPS.find(([command, ...args]) => spawnSync(command, [...args, '--version']).status === 0);
  const wanted = packages.map(({ name, version }) => `${name}==${version}`);
  const tags = ['--python-version', PYTHON, '--only-binary=:all:', '--no-deps', '--no-input', '--quiet'];
  const what = ['download', ...tags, ...wanted];
  if (pip === undefined)
    throw new Error(
      `pip is missing. Install it, or get the wheels on another machine (pip ${what.join(' ')}) and name their folder with --wheels.`,
    );
  const [command, ...args] = pip;
  // What it unpacks on the way goes beside the wheels too.
  const { status, stderr, error } = spawnSync(
    command,
    [...args, ...what, '--no-cache-dir', '--dest', folder],
    {
      ...{ encoding: 'utf8', env: { ...process.env, TMPDIR: folder } },
      ...(seconds === undefined ? {} : { timeout: 1000 * seconds }),
    },
  );
  if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT')
    throw new Error(`${command} had not downloaded ${wanted.join(', ')} after ${seconds} s.`);
  if (status !== 0) throw new Error(`${command} could not download ${wanted.join(', ')}:\n${stderr.trim()}`);
}
