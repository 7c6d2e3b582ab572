/**
 * The PyTorch that is compared with: the newest that installs, pinned in `peers/requirements.txt` and put into a virtual
 * environment of its own under `.cache/` (git ignores it), and Debian's where it is installed. The default wheel for
 * Linux wants gigabytes of CUDA libraries that no processor uses: `peers/torch_cpu.py` makes it do without.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const requirements = join(here, 'peers', 'requirements.txt');

/** Python of the newest PyTorch, installed with `base` (a Python with venv) where it is not there yet. */
export function newestPyTorch(base = 'python3'): string {
  const wanted = readFileSync(requirements, 'utf8');
  const version = /^torch==(\S+)$/m.exec(wanted)?.[1];
  if (version === undefined) throw new Error(`${requirements} pins no torch.`);
  const folder = join(here, '..', '.cache', `torch-${version}`);
  const python = join(folder, 'bin', 'python');
  const ready = join(folder, 'ready.txt');
  if (existsSync(ready) && readFileSync(ready, 'utf8') === wanted) return python;
  rmSync(folder, { recursive: true, force: true });
  console.error(`installing PyTorch ${version} into ${folder} (about 550 MB to download)`);
  must(base, ['-m', 'venv', folder]);
  must(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '-r', requirements]);
  if (process.platform === 'linux' && process.arch === 'x64') {
    const site = must(python, ['-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])']).trim();
    must(python, [join(here, 'peers', 'torch_cpu.py'), site]);
  }
  must(python, ['-c', 'import torch, torchvision']);
  writeFileSync(ready, wanted);
  return python;
}

/** Debian's Python with its own PyTorch (python3-torch, python3-torchvision); null where it has none. */
export function debianPyTorch(): string | null {
  const python = '/usr/bin/python3';
  const found = spawnSync(python, ['-c', 'import torch, torchvision'], { stdio: 'ignore' });
  return found.status === 0 ? python : null;
}

function must(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed:\n${error?.message ?? stderr}`);
}
