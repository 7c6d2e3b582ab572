/**
 * The process of one measurement of `memory.test.ts`: reads the weights at the path that is given, and says how it ended and how
 * much memory that took above what the process held before. Linux.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { UsclError } from '../../src/base/errors.ts';
import { readForeign } from '../../src/trainer/foreign-weights.ts';

async function outcome(path: string): Promise<string> {
  try {
    await readForeign(path);
    return 'read';
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown.code;
    throw thrown;
  }
}

const [small, path] = process.argv.slice(2) as [string, string];
// What is loaded and compiled once is no matter of the file.
await outcome(small);
const before = process.memoryUsage.rss();
writeFileSync('/proc/self/clear_refs', '5');
const code = await outcome(path);
const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))!;
process.stdout.write(JSON.stringify({ code, peak: Number(kilobytes) * 1024 - before }));
