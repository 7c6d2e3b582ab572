/** One rank of several: the steps of a job (a file), and what they computed as a line of JSON for each training. */
import { readFileSync } from 'node:fs';
import { barrier, firstOther } from '../../src/engine/ranks/agreement.ts';
import { openRanks } from '../../src/engine/ranks/open.ts';
import { compute, type Job } from './steps.ts';

const ranks = openRanks();
const job = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Job;
for (const settings of job.settings) {
  const computed = await compute(job, settings, ranks);
  const other = firstOther(ranks, JSON.stringify(computed));
  if (other !== null) throw new Error(`rank ${other} has computed something else`);
  if (ranks.rank === 0)
    process.stdout.write(`${JSON.stringify({ size: ranks.size, library: ranks.library, ...computed })}\n`);
}
barrier(ranks);
ranks.ends('together');
