/**
 * Our training step behind the protocol of `peers/uscl_step.py`, so that a driver can alternate the two: on start one
 * JSON line, then `step N` answered by the seconds of N steps, `quit`.
 *
 *     tsx bench/ours.ts constant|loader|colour [key=value ...]
 *
 * `loader` reads frames as `ingest` stores them, grey; `colour` those of a dataset with three channels.
 */
import { createInterface } from 'node:readline';
import { openBenchSession } from '../src/cli/bench/session.ts';

const [feeding = 'constant', ...set] = process.argv.slice(2);
if (feeding !== 'constant' && feeding !== 'loader' && feeding !== 'colour')
  throw new RangeError(`unknown feeding ${feeding}`);

const say = (message: unknown): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

await using session = await openBenchSession({ config: { set }, colour: feeding === 'colour' });
const { config } = session;
say({
  program: 'uscl',
  feeding,
  backbone: config.model.backbone,
  size: config.view.size,
  channels: config.view.channels,
  pairs: config.batch.pairs,
  precision: config.precision,
  backend: session.backend,
  node: process.version,
});
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(' ');
  if (command === 'quit') break;
  const seconds: number[] = [];
  const parts: unknown[] = [];
  for (let i = 0; i < Number(count); i++) {
    const start = performance.now();
    parts.push(await session.step(feeding === 'constant' ? 'constant' : 'loader'));
    seconds.push((performance.now() - start) / 1000);
  }
  // Node counts kilobytes here.
  say({ seconds, parts, peakBytes: process.resourceUsage().maxRSS * 1024 });
}
