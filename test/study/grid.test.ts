/** What makes a job another job, and what does not. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { jobsOf, pretrainingOf } from '../../src/study/grid.ts';
import { readStudy } from '../../src/study/study-file.ts';
import { scratchFolder } from '../pretrain/support.ts';
import { smallStudy, writeStudy } from './support.ts';

const scratch = scratchFolder();
let made = 0;

type Tree = Record<string, unknown>;

function keysOf(
  change: (study: Tree) => void = () => undefined,
  hashes: Partial<Record<string, string>> = {},
) {
  const study = smallStudy();
  change(study);
  const of = (name: string): readonly [string, string] => [name, hashes[name] ?? `hash of ${name}`];
  const read = readStudy(writeStudy(join(scratch, String(made++)), study), () => []);
  const jobs = jobsOf(read, { sets: new Map(['pool', 'lake'].map(of)), targets: new Map([of('clinic')]) });
  return { jobs, keys: new Map(jobs.map(({ name, key }) => [name, key])) };
}

const { jobs, keys } = keysOf();

/** Jobs whose key differs. */
function changed(other: ReadonlyMap<string, string>): readonly string[] {
  return [...keys.keys()].filter((name) => other.get(name) !== keys.get(name));
}

const all = [...keys.keys()];
const set = (study: Tree, recipe: number, value: readonly string[]): void => {
  (study['recipes'] as Tree[])[recipe]!['set'] = value;
};

describe('the key of a job', () => {
  test('differs from that of every other job', () => {
    expect(new Set(keys.values()).size).toBe(jobs.length);
  });

  test('changes with a setting of its own recipe, for all that hangs on those weights, and for nothing else', () => {
    const other = keysOf((study) => {
      set(study, 2, ['method.temperature=0.2']);
    });
    expect(changed(other.keys)).toEqual(all.filter((name) => name.startsWith('simclr.')));
  });

  test('changes with how its weights are fine-tuned, and then for fine-tuning alone', () => {
    const other = keysOf((study) => {
      (study['recipes'] as Tree[])[1]!['finetune'] = ['layers=all', 'unlabelled.name=fixmatch'];
    });
    const { name } = (smallStudy()['recipes'] as Tree[])[1] as { name: string };
    expect(changed(other.keys)).toEqual(
      all.filter((job) => job.startsWith(`${name}.`) && job.includes('.finetune.')),
    );
    const broken = () =>
      keysOf((study) => {
        (study['recipes'] as Tree[])[1]!['finetune'] = ['unlabelled.name=fixmash'];
      });
    expect(broken).toThrow('fixmash');
  });

  test('does not change with what another machine decides, or with a default that is said', () => {
    const other = keysOf((study) => {
      set(study, 1, [
        'threads=1',
        'backend=reference',
        'precision=bf16',
        'loader.workers=1',
        'data.labelRate=1',
      ]);
    });
    expect(changed(other.keys)).toEqual([]);
  });

  test('changes with the data that a job reads', () => {
    expect(changed(keysOf(undefined, { pool: 'other' }).keys)).toEqual(
      // Random weights have learnt from nothing; but the shortcut meter looks at the pool.
      all.filter((name) => !name.startsWith('random.') || name.endsWith('sources.pool')),
    );
    expect(changed(keysOf(undefined, { clinic: 'other' }).keys)).toEqual(
      all.filter((name) => name.endsWith('.clinic')),
    );
  });

  test('changes with the protocol it is made by', () => {
    const protocol = (study: Tree, name: string): Tree => (study['protocols'] as Tree)[name] as Tree;
    const probed = keysOf((study) => {
      protocol(study, 'probe')['k'] = 4;
    });
    expect(changed(probed.keys)).toEqual(all.filter((name) => name.includes('.probe.')));
    const tuned = keysOf((study) => {
      (protocol(study, 'finetune')['candidates'] as Tree[])[1]!['set'] = ['optimizer.learningRate=0.01'];
    });
    expect(changed(tuned.keys)).toEqual(all.filter((name) => name.includes('.finetune.')));
  });

  test('does not change with what is computed of results later: endpoint, controls, draws', () => {
    const other = keysOf((study) => {
      Object.assign(study, {
        endpoint: { reader: 'knn', targets: ['clinic'] },
        controls: ['uscl'],
        resamples: 999,
      });
    });
    expect(changed(other.keys)).toEqual([]);
  });
});

test('a recipe that learns from several sets is a row for each', () => {
  const { jobs: own } = keysOf((study) => {
    (study['recipes'] as Tree[])[2]!['on'] = ['pool', 'lake'];
  });
  const rows = [...new Set(own.map(({ variant }) => variant.name))];
  expect(rows).toEqual(['random', 'uscl', 'simclr@pool', 'simclr@lake']);
  expect(own.filter(({ kind }) => kind === 'pretrain').map(({ name }) => name)).toContain(
    'simclr@lake.s1.pretrain',
  );
  const judged = own.find(({ name }) => name === 'simclr@lake.s1.probe.clinic')!;
  expect(pretrainingOf(judged, own)?.name).toBe('simclr@lake.s1.pretrain');
  // The meter looks at the set that was learnt from.
  expect(own.map(({ name }) => name)).toContain('simclr@lake.s0.sources.lake');
});
