/**
 * A folder in one archive for a machine with a GPU and no network: this package as it installs, what it depends on, and the page's
 * script (`run.ts`). That machine needs Node.js 20.19 or newer and a Python with PyTorch 2.10 or newer.
 *
 *     npm run bench:gpu:pack -- [--out uscl-gpu.tgz]
 *     tar xzf uscl-gpu.tgz && node uscl-gpu/run.mjs
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, type Plugin } from 'esbuild';

const { values: flags } = parseArgs({ options: { out: { type: 'string', default: 'uscl-gpu.tgz' } } });
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** What a slow line carries. */
const MOST_BYTES = 60 * 2 ** 20;

/** The package's doors by their names, which the copy in `node_modules` answers to. */
const doors: Plugin = {
  name: 'doors',
  setup(bundle) {
    bundle.onResolve({ filter: /src\/index\.ts$/ }, () => ({ path: 'uscl', external: true }));
    bundle.onResolve({ filter: /src\/exports\/\w+\.ts$/ }, ({ path }) => {
      return { path: `uscl/${basename(path, '.ts')}`, external: true };
    });
  },
};

const scratch = mkdtempSync(join(tmpdir(), 'uscl-pack-'));
try {
  const folder = join(scratch, 'uscl-gpu');
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'uscl'), { recursive: true });
  for (const name of ['dist', 'package.json', 'LICENSE'])
    cpSync(join(root, name), join(modules, 'uscl', name), { recursive: true });
  for (const path of installed()) {
    const inside = relative(join(root, 'node_modules'), path);
    cpSync(path, join(modules, inside), { recursive: true, dereference: true });
  }
  await build({
    entryPoints: [join(root, 'bench', 'gpu', 'run.ts')],
    outfile: join(folder, 'run.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [doors],
    logLevel: 'warning',
  });
  cpSync(join(root, 'bench', 'gpu', 'peer.py'), join(folder, 'peer.py'));
  execFileSync('tar', ['czf', flags.out, '-C', scratch, basename(folder)]);
  const { size } = statSync(flags.out);
  if (size > MOST_BYTES)
    throw new Error(
      `${flags.out} has ${size} bytes, and ${MOST_BYTES} are the most: ${readdirSync(modules).length} packages`,
    );
  console.log(`${flags.out}: ${(size / 2 ** 20).toFixed(1)} MiB`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Folders of the packages that the program needs at run time. */
function installed(): readonly string[] {
  const text = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: root,
    encoding: 'utf8',
  });
  return text.split('\n').filter((path) => path.startsWith(join(root, 'node_modules')));
}
