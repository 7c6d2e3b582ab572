/**
 * What the stack of foreign functions costs a call: processor time of `abs` with 2, 8 and 16 MiB, each in a process of its own, in
 * turns.
 *
 *     npx tsx bench/foreign-stack.ts [--rounds 4]
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import koffi from 'koffi';
import { countOf, median } from './contestants.ts';

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '4' }, mebibytes: { type: 'string' } },
});
const CALLS = 200_000;

if (flags.mebibytes === undefined)
  for (let round = 0; round < countOf('rounds', flags.rounds); round++)
    for (const size of ['2', '16', '8'])
      execFileSync(process.execPath, [...process.execArgv, import.meta.filename, '--mebibytes', size], {
        stdio: 'inherit',
      });
else {
  koffi.config({ sync_stack_size: countOf('mebibytes', flags.mebibytes) * 2 ** 20 });
  const abs = koffi.load(null).func('int abs(int value)') as (value: number) => number;
  const turn = (): number => {
    const before = process.cpuUsage().user;
    for (let i = 0; i < CALLS; i++) abs(i);
    return ((process.cpuUsage().user - before) * 1000) / CALLS;
  };
  turn();
  const each = Array.from({ length: 15 }, turn);
  console.log(
    `${flags.mebibytes} MiB: ${Math.min(...each).toFixed(1)} ns a call at least, ${median(each).toFixed(1)} median`,
  );
}
