/**
 * Everything that must hold before a change is good: types, lint, format, unused code, package hygiene, tests.
 * Runs all of it even when an early part fails; the last line, alone, is `N passed, N failed`: every test counts
 * one, every other step counts one. Exit code 1 when anything failed. Tests wait a lot (for programs that they start and
 * kill), so what only reads the source runs beside them, one step at a time, and prints when it is done.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'uscl-check-'));
const report = join(scratch, 'vitest.json');

const readers = [
  ['types', 'tsc', ['--noEmit', '-p', 'tsconfig.json']],
  ['types of the page', 'tsc', ['--noEmit', '-p', 'src/weights/page']],
  ['lint', 'eslint', ['.']],
  ['format', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['unused code', 'knip', []],
  ['package', 'publint', ['--strict']],
  ['pages of the API', 'typedoc', ['--emit', 'none']],
];
const tests = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];

let passed = 0;
let failed = 0;
await Promise.all([
  (async () => {
    for (const [name, command, args] of readers)
      if (await run(name, command, args, 'pipe')) passed += 1;
      else failed += 1;
  })(),
  run('tests', 'vitest', tests, 'inherit').then(countTests),
]);
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

/** Whether a program of this package ended well. Its output is printed as it comes (`inherit`) or when it is done (`pipe`). */
async function run(name, command, args, output) {
  const started = Date.now();
  if (output === 'inherit') console.log(`\n── ${name}: ${command}`);
  const child = spawn(join(root, 'node_modules', '.bin', command), args, {
    cwd: root,
    stdio: ['ignore', output, output],
  });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => said.push(data));
  const good = await new Promise((resolve) => {
    child.once('error', (error) => {
      said.push(Buffer.from(error.message));
      resolve(false);
    });
    child.once('close', (code) => resolve(code === 0));
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const text = Buffer.concat(said).toString('utf8').trimEnd();
  const verdict = `── ${name} (${command}): ${good ? 'ok' : 'FAILED'} (${seconds} s)`;
  console.log(text === '' ? `\n${verdict}` : `\n${text}\n${verdict}`);
  return good;
}

/** Adds vitest's own counts. A file that does not load, or a run that dies, is a failure even with no failed test. */
function countTests(good) {
  let tests;
  try {
    tests = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    failed += 1;
    return;
  }
  passed += tests.numPassedTests;
  const broken = tests.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const counted = tests.numFailedTests + broken;
  failed += good ? counted : Math.max(1, counted);
}
