/**
 * Builds what `uscl export --format web` copies beside a model: the page's script with ONNX Runtime's in it, as one classic
 * script, since browsers refuse modules of a folder that is opened by a double click; and ONNX Runtime's WebAssembly, packed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'dist', 'page');
const runtime = join(root, 'node_modules', 'onnxruntime-web');

mkdirSync(out, { recursive: true });
buildSync({
  entryPoints: [join(root, 'src', 'weights', 'page', 'main.ts')],
  outfile: join(out, 'page.js'),
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  // Used to find files and to start threads, and the page does neither.
  define: { 'import.meta.url': '"about:blank"' },
  legalComments: 'inline',
  tsconfig: join(root, 'src', 'weights', 'page', 'tsconfig.json'),
  logLevel: 'warning',
});
const wasm = readFileSync(join(runtime, 'dist', 'ort-wasm-simd-threaded.wasm'));
const { version } = JSON.parse(readFileSync(join(runtime, 'package.json'), 'utf8'));
writeFileSync(join(out, 'runtime.wasm.gz'), gzipSync(wasm, { level: 9 }));
writeFileSync(join(out, 'runtime.json'), JSON.stringify({ version, bytes: wasm.length }));
const read = (...path) => readFileSync(join(root, ...path), 'utf8').trim();
writeFileSync(
  join(out, 'licences.txt'),
  `${read('scripts', 'page-licences.txt').replace('@USCL@', read('LICENSE')).replaceAll('@VERSION@', version)}\n`,
);
