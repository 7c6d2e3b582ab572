/**
 * Whole pretraining runs beside PyTorch's (`test/golden/uscl_run_golden.py`): who trains, whose label is read, every
 * number that is logged, and weights and optimizer state at the end.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digest, estimatedError, entriesError, parseDigest } from '../golden/hashed.ts';
import { goldenClips, type GoldenRow, readGoldenRun, type RunCase, SETTINGS } from '../golden/uscl-run.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { type LogEntry, readLog } from '../../src/runs/log.ts';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import type { PretrainEvent } from '../../src/pretrain/events.ts';
import { scratchFolder } from './support.ts';

const scratch = scratchFolder();
const dataset = goldenClips(join(scratch, 'clips'));

/** Largest error as a multiple of how far PyTorch's own float32 run is off, but not below a few roundings. */
const SLACK = 10;
const LEAST = 2e-5;

async function run(name: RunCase) {
  const out = join(scratch, name);
  const events: PretrainEvent[] = [];
  await pretrain({
    dataset: await dataset,
    out,
    config: { set: SETTINGS[name] },
    onEvent: (event) => events.push(event),
  });
  const log = readLog(out);
  return {
    golden: readGoldenRun(name),
    events,
    steps: log.filter(({ kind }) => kind === 'step'),
    validation: log.filter(({ kind }) => kind === 'validation'),
    checkpoint: readCheckpoint(join(out, 'checkpoints', 'last.safetensors')),
  };
}

describe.each(['sgd', 'adam'] as const)('a run with %s', (name) => {
  const made = run(name);

  /** Every golden number of a row beside the entry's of that name. */
  async function expectRows(kind: 'steps' | 'validation'): Promise<void> {
    const { golden, [kind]: found } = await made;
    expect(found).toHaveLength(golden[kind].length);
    golden[kind].forEach((row: GoldenRow, i: number) => {
      const entry: Readonly<Partial<Record<string, unknown>>> & LogEntry = found[i]!;
      for (const [column, expected] of row) {
        const tolerance = Math.max(LEAST, SLACK * golden.deviations[`${kind}/${column}`]!);
        const error = Math.abs(Number(entry[column]) - expected) / Math.max(Math.abs(expected), 1e-3);
        expect(error, `${column} of row ${i}: ${String(entry[column])}, PyTorch ${expected}`).toBeLessThan(
          tolerance,
        );
      }
    });
  }

  test('logs the losses, measurements, rates and gradient norms that PyTorch has at every step', async () => {
    await expectRows('steps');
  });

  test('scores held-out clips after every epoch as PyTorch does', async () => {
    await expectRows('validation');
  });

  test('says how many clips train, are held out, and show their label', async () => {
    const { golden, events } = await made;
    expect(events.find(({ kind }) => kind === 'start')).toMatchObject({
      trainingClips: 22 - golden.heldOut.length,
      validationClips: golden.heldOut.length,
      labelledClips: golden.readable.length,
    });
  });

  test('ends with the weights, running statistics and optimizer state that PyTorch has', async () => {
    const { golden, checkpoint } = await made;
    const names = [...golden.digests.keys()].map((key) =>
      key.replace(/^model\//, '').replace('optimizer/', 'optimizer.'),
    );
    expect([...checkpoint.tensors.keys()].sort()).toEqual(names.sort());
    for (const [key, { data }] of golden.digests) {
      const { data: values } = checkpoint.tensors.get(key.replace(/^model\//, '').replace('/', '.'))!;
      if (!(values instanceof Float32Array) || !(data instanceof Float32Array)) throw new TypeError(key);
      const [expected, found] = [parseDigest(data), digest(key, values)];
      const tolerance = Math.max(LEAST, SLACK * golden.deviations[key]!);
      expect(estimatedError(expected, found), key).toBeLessThan(tolerance);
      expect(entriesError(expected, found), key).toBeLessThan(2 * tolerance);
    }
  });
});
