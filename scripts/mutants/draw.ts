/**
 * Which mutants are made: a seeded sample spread over rooms and files. A site's draw hangs on its own text, so that a
 * change elsewhere leaves the sample as it was.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomAt } from '../../src/base/random.ts';
import { type Site, sitesOf } from './sites.ts';

/** Every TypeScript file below `src/<room>` that has code, relative to the root. */
export function filesOf(root: string, room: string): readonly string[] {
  return readdirSync(join(root, 'src', room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join('src', room, name))
    .sort();
}

/**
 * `count` sites of the rooms. A room's share goes with the square root of its number of sites, so that small rooms are
 * looked at closely enough to say something of them. Rooms come in turn: a campaign that is stopped has looked at all.
 */
export function drawSites(
  root: string,
  rooms: readonly string[],
  count: number,
  seed: number,
): readonly Site[] {
  const sites = rooms.map((room) =>
    filesOf(root, room).flatMap((file) => sitesOf(file, readFileSync(join(root, file), 'utf8'))),
  );
  const shares = sites.map((ofRoom) => Math.sqrt(ofRoom.length));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const upTo = (rooms: number): number =>
    Math.round((count * shares.slice(0, rooms).reduce((sum, share) => sum + share, 0)) / total);
  return sites
    .flatMap((ofRoom, i) => {
      const size = upTo(i + 1) - upTo(i);
      return ofRoom
        .map((site) => ({ site, draw: randomAt(seed, 'mutant', site.key).uniform() }))
        .sort((a, b) => a.draw - b.draw)
        .slice(0, size)
        .map(({ site }, rank) => ({ site, place: (rank + 0.5) / size }));
    })
    .sort((a, b) => a.place - b.place)
    .map(({ site }) => site);
}
