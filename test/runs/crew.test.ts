/** Ranks that work on their own, as objects in one process: who does what, who hears it, how all end. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { dataError, UsclError } from '../../src/base/errors.ts';
import { ALONE } from '../../src/engine/ranks/communicator.ts';
import { clearCrew, Crew, prepareCrew, toldIn } from '../../src/runs/ranks/crew.ts';
import { failureOf } from '../failures.ts';
import { scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const schema = z.strictObject({ says: z.string() });
type Message = z.infer<typeof schema>;

let count = 0;
/** So many ranks of one folder, and what rank 0 hears. */
function crews(size: number, signals: readonly (AbortSignal | undefined)[] = []) {
  const folder = join(scratch, `crew${++count}`);
  prepareCrew(folder, { size });
  const heard: string[] = [];
  const all = Array.from(
    { length: size },
    (_, rank) =>
      new Crew<Message>({
        ...{ ranks: { rank, size }, folder, schema, signal: signals[rank] },
        hear: ({ says }, from) => heard.push(`${from}: ${says}`),
        ended: (from) => heard.push(`${from} ended`),
        note: (text) => heard.push(text),
      }),
  );
  return { folder, heard, all };
}

describe('a crew', () => {
  test('does each unit once, and rank 0 hears of all', async () => {
    const { folder, heard, all } = crews(3);
    const units = ['a', 'b', 'c', 'd', 'e'];
    const did: string[] = [];
    await Promise.all(
      all.map((crew, rank) =>
        crew.work(async () => {
          for (const unit of units) {
            if (!crew.take(unit)) continue;
            did.push(unit);
            crew.tell({ says: `${unit} by ${rank}` });
            await delay(5 * rank);
          }
        }),
      ),
    );
    expect([...did].sort()).toEqual(units);
    expect(heard.filter((text) => text.includes(' by '))).toHaveLength(5);
    for (const text of heard.filter((one) => one.includes(' by '))) expect(text.at(-1)).toBe(text[0]);
    expect(heard.filter((text) => text.endsWith('ended')).sort()).toEqual(['1 ended', '2 ended']);
    expect(heard.at(-1)).toMatch(/ended$/);
    expect(all.map(({ signal }) => signal.aborted)).toEqual([false, false, false]);
    clearCrew(folder);
    expect(existsSync(folder)).toBe(false);
  });

  test('a signal to one stops all', async () => {
    const controller = new AbortController();
    const { all } = crews(3, [undefined, undefined, controller.signal]);
    const working = all.map((crew) =>
      crew.work(async () => {
        while (!crew.signal.aborted) await delay(5);
      }),
    );
    controller.abort();
    await Promise.all(working);
    expect(all.every(({ signal }) => signal.aborted)).toBe(true);
  });

  test('a signal that came before is heard', () => {
    const controller = new AbortController();
    controller.abort();
    const { all, folder } = crews(2, [controller.signal]);
    expect(all[0]!.signal.aborted).toBe(true);
    expect(existsSync(join(folder, 'going'))).toBe(false);
  });

  test('a failure stops all; rank 0 throws the first, with its place, and notes the others', async () => {
    const { heard, all } = crews(3);
    const bodies = [
      async () => {
        while (!all[0]!.signal.aborted) await delay(5);
      },
      async () => {
        await delay(1);
        throw dataError('CLIP_BROKEN', 'A clip is broken.', 'Mend it.', { where: 'clip 7' });
      },
      () => Promise.reject(new Error('a defect')),
    ];
    const ends = await Promise.allSettled(all.map((crew, rank) => crew.work(bodies[rank]!)));
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    const error = (ends[0] as PromiseRejectedResult).reason as UsclError;
    expect(error).toBeInstanceOf(UsclError);
    expect(error).toMatchObject({
      code: 'CLIP_BROKEN',
      exitCode: 3,
      where: 'rank 1, clip 7',
      remedy: 'Mend it.',
    });
    expect(heard.join()).toMatch(/Rank 2 failed too: Error: a defect/);
  });

  test('a defect of another rank keeps its stack', async () => {
    const { all } = crews(2);
    const ends = await Promise.allSettled([
      all[0]!.work(() => Promise.resolve()),
      all[1]!.work(() => Promise.reject(new Error('a defect'))),
    ]);
    const reason: unknown = (ends[0] as PromiseRejectedResult).reason;
    expect(reason).not.toBeInstanceOf(UsclError);
    expect((reason as Error).stack).toMatch(/^rank 1: Error: a defect\n\s+at /);
  });

  test('rank 0 that fails throws its own error, whoever else does', async () => {
    const { heard, all } = crews(2);
    const own = dataError('OWN', 'Own.', 'Way.');
    const ends = await Promise.allSettled([
      all[0]!.work(() => Promise.reject(own)),
      all[1]!.work(() => Promise.reject(dataError('OTHER', 'Other.', 'Way.'))),
    ]);
    expect((ends[0] as PromiseRejectedResult).reason).toBe(own);
    expect(ends[1].status).toBe('fulfilled');
    expect(heard.join()).toContain('Rank 1 failed too: Other. Way.');
  });

  test('where a rank cannot tell its failure, it throws it itself', async () => {
    const { folder, all } = crews(2);
    // Nothing can be appended to a folder.
    mkdirSync(join(folder, '1.jsonl'));
    const own = dataError('OWN', 'Own.', 'Way.');
    const working = all[1]!.work(() => Promise.reject(own));
    rmSync(join(folder, '0.working'));
    expect(await failureOf(working)).toBe(own);
    clearCrew(folder);
  });

  test('what cannot be heard is an error of rank 0 and stops all', async () => {
    const folder = join(scratch, 'deaf');
    prepareCrew(folder, { size: 2 });
    const options = { folder, schema, signal: undefined, note: () => undefined };
    const deaf = new Crew<Message>({
      ...options,
      ranks: { rank: 0, size: 2 },
      hear: () => {
        throw dataError('DEAF', 'Deaf.', 'Way.');
      },
    });
    const other = new Crew<Message>({ ...options, ranks: { rank: 1, size: 2 }, hear: () => undefined });
    const ends = await Promise.allSettled([
      deaf.work(async () => {
        while (!deaf.signal.aborted) await delay(5);
      }),
      other.work(async () => {
        other.tell({ says: 'hello' });
        while (!other.signal.aborted) await delay(5);
      }),
    ]);
    expect((ends[0] as PromiseRejectedResult).reason).toMatchObject({ code: 'DEAF' });
    expect(ends[1].status).toBe('fulfilled');
  });

  test('of one process needs no folder', async () => {
    const folder = join(scratch, 'none');
    prepareCrew(folder, ALONE);
    const heard: string[] = [];
    using crew = new Crew<Message>({
      ...{ ranks: ALONE, folder, schema, signal: undefined, note: () => undefined },
      hear: ({ says }) => heard.push(says),
    });
    await crew.work(() => {
      expect(crew.take('a')).toBe(true);
      crew.tell({ says: 'done' });
      return Promise.resolve();
    });
    expect(heard).toEqual(['done']);
    expect(existsSync(folder)).toBe(false);
    const own = dataError('OWN', 'Own.', 'Way.');
    expect(await failureOf(crew.work(() => Promise.reject(own)))).toBe(own);
  });

  test('what a killed job told is there; half a line and other words are not', () => {
    const folder = join(scratch, 'left');
    expect(toldIn(folder, schema)).toEqual([]);
    mkdirSync(folder);
    writeFileSync(join(folder, '2.jsonl'), '{"message":{"says":"c"}}\n{"message":{"sa');
    writeFileSync(
      join(folder, '1.jsonl'),
      '{"message":{"says":"a"}}\n{"message":{"other":1}}\n{"message":{"says":"b"}}\n',
    );
    writeFileSync(join(folder, 'going'), '');
    expect(toldIn(folder, schema)).toEqual([{ says: 'a' }, { says: 'b' }, { says: 'c' }]);
  });
});
