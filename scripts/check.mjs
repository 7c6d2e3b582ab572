/**
 * Everything that must hold before a change is good: types, lint, format, unused code, package hygiene, tests.
 * Runs all of it even when an early part fails; the last line, alone, is `N passed, N failed`: every test counts
 * one, every other step counts one. Exit code 1 when anything failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'uscl-check-'));
const report = join(scratch, 'vitest.json');

const steps = [
  ['types', 'tsc', ['--noEmit', '-p', 'tsconfig.json']],
  ['types of the page', 'tsc', ['--noEmit', '-p', 'src/weights/page']],
  ['lint', 'eslint', ['.']],
  ['format', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['unused code', 'knip', []],
  ['package', 'publint', ['--strict']],
  ['pages of the API', 'typedoc', ['--emit', 'none']],
  ['tests', 'vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]],
];

let passed = 0;
let failed = 0;
for (const [name, command, args] of steps) {
  console.log(`\n── ${name}: ${command}`);
  const started = Date.now();
  const result = spawnSync(join(root, 'node_modules', '.bin', command), args, {
    cwd: root,
    stdio: 'inherit',
  });
  const good = result.status === 0;
  console.log(`── ${name}: ${good ? 'ok' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (name === 'tests') countTests(good);
  else if (good) passed += 1;
  else failed += 1;
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

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
