/** What a page says of heat and of the map of clips: how they were made, what they show, and what nobody knows. */
import { beforeAll, expect, test } from 'vitest';
import type { Explanation } from '../../src/evaluation/explanations/explanation.ts';
import { CLASSES, fixtureDataset, fixtureFinetune, fixturePretrain } from './fixture.ts';
import { factsOf, said, tableOf, words } from './page.ts';
import { runsAndPages } from './pages.ts';

const { at, page, changed } = runsAndPages();

beforeAll(async () => {
  await fixtureDataset(at('data'));
  await fixtureFinetune(at('tuned'), at('data'), { skill: 0.3, explained: true });
  fixturePretrain(at('pretrained'), at('data'));
});

/** The page of a run whose explanation is another. */
function explained(change: (explanation: Explanation) => Explanation): Promise<string> {
  return page(
    changed('tuned', {
      'explain/explain.json': (text) => JSON.stringify(change(JSON.parse(text) as Explanation)),
    }),
  );
}

test('the map is told with how it was made and what near clips share', async () => {
  const text = said(await page('tuned'));
  expect(text).toContain(
    'UMAP of the mean features of 4 frames a clip (15 neighbours, minimal distance 0.1, seed 0, trustworthiness 0.93).',
  );
  expect(text).toContain(
    'Map of clips by class Of the five nearest clips 61 % share the class; 33 % would by chance.',
  );
  expect(text).toContain(
    'Map of clips by group Of the five nearest clips 20 % share the group; 3 % would by chance.',
  );
  // All clips are of one source.
  expect(text).not.toContain('Map of clips by source');
  const bare = await explained((one) => ({
    ...{ ...one, framesPerClip: 1 },
    map: {
      ...one.map!,
      trustworthiness: null,
      points: one.map!.points.map((point, i) => ({
        ...point,
        label: i === 0 ? null : point.label,
        source: i < 30 ? 'one' : 'two',
      })),
    },
  }));
  expect(said(bare)).toContain(
    'mean features of 1 frame a clip (15 neighbours, minimal distance 0.1, seed 0).',
  );
  expect(tableOf(bare, 'Clips on the map by class')[1]!.slice(0, 2)).toEqual(['clip-00', 'not known']);
  expect(tableOf(bare, 'Clips on the map by source').filter(([, source]) => source === 'two')).toHaveLength(
    6,
  );
  expect(said(bare)).not.toContain('share the source');
});

test('classes stand in the legend by name, sources by how many clips are theirs', async () => {
  const text = await explained((one) => ({
    ...one,
    map: {
      ...one.map!,
      points: one.map!.points.map((point, i) => ({
        ...point,
        source: i < 6 ? 'a few' : i < 16 ? 'more' : 'most',
      })),
    },
  }));
  const legend = (by: string): readonly string[] => {
    const figure = text.split('<figure').find((part) => part.includes(`Map of clips by ${by}`))!;
    const list = /<ul class="legend">([^]*?)<\/ul>/.exec(figure)?.[1] ?? '';
    return [...list.matchAll(/<li>([^]*?)<\/li>/g)].map(([, item]) => words(item!));
  };
  expect(legend('class')).toEqual(['b-lines (12)', 'consolidation (12)', 'normal (12)']);
  expect(legend('source')).toEqual(['most (20)', 'more (10)', 'a few (6)']);
});

test('heat is told with where it lies, of what, and how much would lie there anyhow', async () => {
  const text = await page('tuned');
  expect(said(text)).toContain(
    'Heat at layer4 (7 × 7 cells) for the class the network holds for most probable, by the weights in best.safetensors. ' +
      '91.0 % of the heat lies inside the ultrasound field, more than evenly spread heat would have (62.0 %).',
  );
  const facts = factsOf(text);
  expect(facts.get('Heat inside the field')).toBe('91.0 % ; evenly spread heat would have 62.0 %');
  expect([facts.get('Without a known field'), facts.get('Frames without any heat')]).toEqual(['0', '0']);
  const captions = [...text.matchAll(/alt="Grad-CAM for ([^"]*)"[^]*?<figcaption>([^]*?)<\/figcaption>/g)];
  // The surest of each class in turn: of equally sure ones, the first.
  expect(captions.slice(0, 3).map(([, alt, caption]) => [alt, said(caption!)])).toEqual(
    CLASSES.map((name, i) => [
      `${name} on frame 1 of clip clip-0${i}: the frame beside the same frame under its heat`,
      `${name}, given 80 % labelled ${CLASSES[Math.floor(i / 2)]!}; 90 % of the heat inside the field. clip-0${i}, frame 1.`,
    ]),
  );
  expect(captions).toHaveLength(12);
});

test('heat that is no more inside than anywhere is said to be so, and of fields nobody knows nothing', async () => {
  const summary = (insideShare: number | null, target: string) => (one: Explanation) => ({
    ...one,
    cam: {
      ...one.cam!,
      target,
      entries: one.cam!.entries.map((entry) => ({ ...entry, insideShare: null, label: null })),
      summary: {
        ...{ ...one.cam!.summary, withoutField: 7, withoutHeat: 3 },
        all: { ...one.cam!.summary.all, insideShare, fieldShare: insideShare === null ? null : 0.62 },
      },
    },
  });
  const even = await explained(summary(0.6, 'label'));
  expect(said(even)).toContain(
    'for the clip’s own class, by the weights in best.safetensors. 60.0 % of the heat lies inside the ultrasound field, no more than evenly spread heat would have (62.0 %).',
  );
  expect(said(even)).toContain('normal, given 80 % unlabelled; field not known. clip-00, frame 1.');
  expect(factsOf(even).get('Without a known field')).toBe('7');
  expect(factsOf(even).get('Frames without any heat')).toBe('3');
  expect(tableOf(even, 'Grad-CAM by class')[1]).toEqual(['normal', '12', '–', '60.0 %']);
  const unknown = said(await explained(summary(null, 'b-lines')));
  expect(unknown).toContain(
    'for the class b-lines, by the weights in best.safetensors. No field is known, so it cannot be said how much of the heat lies on tissue.',
  );
});

test('parts that were not made name the command that makes them', async () => {
  const none = words(await explained((one) => ({ ...one, cam: null, map: null })));
  expect(none).toContain('No map of embeddings: uscl explain RUN DATASET --cam --map makes one.');
  expect(none).toContain('No Grad-CAM: uscl explain RUN DATASET --cam --map makes it.');
  const pretrained = words(await page('pretrained'));
  expect(pretrained).toContain('uscl explain RUN DATASET --map leaves pictures and numbers in the run');
  expect(pretrained).not.toContain('--cam');
});
