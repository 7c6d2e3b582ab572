/**
 * One of two ranks is killed twenty times, at arranged places and at drawn moments, each time followed by a resume. The short form is
 * `test/ranks/kills.test.ts`.
 */
import { beforeAll, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { compileProgram } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';
import type { Place } from '../ranks/dying-main.ts';
import { type Death, EPOCH, type Kill, killRanks } from '../ranks/kills.ts';
import { launchers } from '../ranks/launchers.ts';

const [launcher] = launchers;
const scratch = scratchFolder();
beforeAll(compileProgram);

/** Kills of each rank at each place. */
const EACH: Readonly<Record<Place, number>> = {
  anywhere: 2,
  'waits in a sum': 2,
  'is awaited in a sum': 1,
  sums: 1,
  'before the rename': 2,
  'after the rename': 2,
};
/** Few launches save more than two epochs before they are killed, and half of them less, so that no kill comes too late. */
const EPOCHS = 40;

/** In a drawn order: within the first two epochs of a launch; the first of each rank at a drawn moment comes while it starts. */
function drawn(): readonly Kill[] {
  const random = randomAt(7, 'kill-ranks');
  const within = (place: Place, i: number): Omit<Kill, 'place' | 'victim'> => {
    switch (place) {
      case 'anywhere':
        return i === 0
          ? { at: 0, wait: random.between(200, 1200) }
          : { at: 1 + random.integer(2 * EPOCH.sums), wait: random.between(0, 30) };
      case 'waits in a sum':
      case 'is awaited in a sum':
        return { at: 1 + random.integer(2 * EPOCH.sums) };
      case 'sums':
        return { at: 1 + random.integer(EPOCH.sums), wait: random.between(0, 0.5) };
      case 'before the rename':
      case 'after the rename':
        return { at: i + 1 };
    }
  };
  const kills = (Object.keys(EACH) as Place[]).flatMap((place) =>
    Array.from({ length: EACH[place] }, (_, i) =>
      ([0, 1] as const).map((victim): Kill => ({ place, victim, ...within(place, i) })),
    ).flat(),
  );
  const order = kills.map((kill) => ({ kill, place: random.uniform() }));
  return order.sort((a, b) => a.place - b.place).map(({ kill }) => kill);
}

function lineOf({ kill, from, sum, step, seconds, notice }: Death, i: number): string {
  const { place, victim, at, wait = 0 } = kill;
  const where = place.endsWith('rename') ? `save ${at}` : at === 0 ? 'its start' : `sum ${at}`;
  const after = wait === 0 ? '' : ` + ${wait.toFixed(1)} ms`;
  const begun = from === null ? 'not yet begun' : from === 0 ? 'begun' : `went on at step ${from}`;
  const was = sum === null ? 'outside of sums' : `inside sum ${sum}`;
  return (
    `kill ${String(i + 1).padStart(2)}: ${begun}; rank ${victim}, ${place} (${where}${after}), ${was}; ` +
    `all ended ${seconds.toFixed(2)} s later, ${notice}; the checkpoint is whole, at step ${step}\n`
  );
}

const KILLS = drawn();

test.skipIf(launcher === undefined || process.platform !== 'linux')(
  `${KILLS.length} kills of one of two ranks, inside sums and around renames: each time --resume goes on, and it ends in the bits of a run left alone`,
  { timeout: 1_800_000 },
  async () => {
    let told = 0;
    const deaths = await killRanks(launcher!, scratch, EPOCHS, KILLS, (death) => {
      process.stdout.write(lineOf(death, told++));
    });
    const slowest = Math.max(...deaths.map(({ seconds }) => seconds));
    process.stdout.write(
      `${deaths.length} kills; all processes ended within ${slowest.toFixed(2)} s; ` +
        `${deaths.filter(({ sum }) => sum !== null).length} inside sums\n`,
    );
    for (const place of Object.keys(EACH) as Place[]) {
      const counts = [0, 1].map(
        (rank) => deaths.filter(({ kill }) => kill.place === place && kill.victim === rank).length,
      );
      expect(counts, place).toEqual([EACH[place], EACH[place]]);
      process.stdout.write(`${place}: ${counts[0]!} of rank 0, ${counts[1]!} of rank 1\n`);
    }
    expect(deaths).toHaveLength(20);
  },
);
