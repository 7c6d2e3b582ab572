/**
 * PyTorch's libraries without PyTorch's Python, for Linux on x86-64 and for processors alone: five libraries out of three
 * wheels, one version, checked against their SHA-256, unpacked into the cache folder where the program looks for them last. Nothing of the
 * packages is run. pip downloads them, from where it is set up to; wheels that are here already are taken with `--wheels`.
 *
 *     npm run torch -- [--wheels FOLDER]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, WHEEL_VERSION } from '../src/engine/torch/native/search.ts';
import { unpackLargeWheels } from './wheel.ts';

const { values: flags } = parseArgs({ options: { wheels: { type: 'string' } } });

const CUDA = '12.8.90';
/** What the libraries of the processor need of NVIDIA's: they load without a driver. */
const nvidia = (part: string, library: string, sha256: string) => ({
  ...{ name: `nvidia-cuda-${part}-cu12`, version: CUDA, sha256 },
  entries: {
    [`nvidia/cuda_${part}/lib/${library}`]: `lib/${library}`,
    [`nvidia_cuda_${part}_cu12-${CUDA}.dist-info/License.txt`]: `LICENSE-${library}`,
  },
});
const LIBRARIES = ['libtorch_cpu.so', 'libc10.so', 'libgomp.so.1'];
const PACKAGES = [
  {
    ...{ name: 'torch', version: WHEEL_VERSION },
    sha256: '98c01b8bb5e3240426dcde1446eed6f40c778091c8544767ef1168fc663a05a6',
    entries: {
      ...Object.fromEntries(LIBRARIES.map((library) => [`torch/lib/${library}`, `lib/${library}`])),
      'torch/version.py': 'version.py',
      [`torch-${WHEEL_VERSION}.dist-info/licenses/LICENSE`]: 'LICENSE',
    },
  },
  nvidia('runtime', 'libcudart.so.12', 'adade8dcbd0edf427b7204d480d6066d33902cab2a4707dcfc48a2d0fd44ab90'),
  nvidia('cupti', 'libcupti.so.12', 'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182'),
];
/** Wheels of this Python are pinned; no Python reads them. */
const TAGS = ['--python-version', '3.12', '--only-binary=:all:', '--no-deps', '--no-input', '--quiet'];
/** Ways to call pip. */
const PIPS = [['pip3'], ['pip'], ['python3', '-m', 'pip']] as const;

const place = dirname(cacheFolder({ environment: process.env, home: homedir(), platform: process.platform }));
mkdirSync(dirname(place), { recursive: true });
// Beside the cache: a folder for temporary files may be smaller than a wheel.
const scratch = mkdtempSync(join(dirname(place), 'wheels-'));
try {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `These wheels have no library for ${process.platform} on ${process.arch}. Install PyTorch (pip install torch) and activate ` +
        'its environment, or name the folder of its libraries with USCL_TORCH.',
    );
  const folder = flags.wheels ?? scratch;
  if (flags.wheels === undefined) download();
  const files = readdirSync(folder);
  const wheels = PACKAGES.map(({ name, version, sha256, entries }) => {
    const file = files.find((one) => one.startsWith(`${name.replaceAll('-', '_')}-${version}-`));
    if (file === undefined) throw new Error(`${folder} has no wheel of ${name} ${version}.`);
    return { file: join(folder, file), sha256, entries };
  });
  await unpackLargeWheels(wheels, place);
  console.log(`PyTorch ${WHEEL_VERSION} is in ${place}. "npx uscl doctor" says which one is used.`);
} catch (thrown) {
  console.error(`torch: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 5;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function download(): void {
  const pip = PIPS.find(([command, ...args]) => spawnSync(command, [...args, '--version']).status === 0);
  const wanted = PACKAGES.map(({ name, version }) => `${name}==${version}`);
  const what = ['download', ...TAGS, ...wanted];
  if (pip === undefined)
    throw new Error(
      `pip is missing. Install it, or get the wheels on another machine (pip ${what.join(' ')}) and name their folder with --wheels.`,
    );
  const [command, ...args] = pip;
  // What it unpacks on the way goes beside the wheels too.
  const { status, stderr } = spawnSync(command, [...args, ...what, '--no-cache-dir', '--dest', scratch], {
    ...{ encoding: 'utf8', env: { ...process.env, TMPDIR: scratch } },
  });
  if (status !== 0) throw new Error(`${command} could not download ${wanted.join(', ')}:\n${stderr.trim()}`);
}
