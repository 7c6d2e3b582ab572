import { join } from 'node:path';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jobsOf, setsOf } from '../../src/study/grid.ts';
import { readStudy, type Study } from '../../src/study/study-file.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';
import { smallStudy, writeStudy } from './support.ts';

const scratch = scratchFolder();
let made = 0;

type Tree = Record<string, unknown>;

function read(change: (study: Tree) => void = () => undefined): Study {
  const study = smallStudy();
  change(study);
  return readStudy(writeStudy(join(scratch, String(made++)), study), () => []);
}

const recipes = (study: Tree): Tree[] => study['recipes'] as Tree[];

describe('a study file', () => {
  test('is read with its defaults', () => {
    const study = read();
    expect(study.seeds).toEqual([0, 1]);
    expect(study.plan).toBeNull();
    expect(study.shortcutMeter).toBe(true);
    expect(read((file) => (file['seeds'] = [3, 5])).seeds).toEqual([3, 5]);
  });

  test.each<readonly [string, (study: Tree) => void, RegExp]>([
    ['an unknown key', (study) => (study['recipe'] = []), /there is no key "recipe"/],
    [
      'an unknown key deep inside',
      (study) => (recipes(study)[1]!['presets'] = 'paper'),
      /recipes\.1: there is no key "presets"/,
    ],
    ['no recipes', (study) => (study['recipes'] = []), /recipes: /],
    [
      'two recipes of one name',
      (study) => recipes(study).push({ name: 'uscl', method: 'simclr' }),
      /recipes: "uscl" is there twice/,
    ],
    [
      'a recipe without method',
      (study) => recipes(study).push({ name: 'bare' }),
      /recipes\.3: "bare" needs either method or weights/,
    ],
    [
      'random weights that learn',
      (study) => (recipes(study)[0]!['on'] = ['pool']),
      /"random" has random weights and learns from nothing/,
    ],
    [
      'a control that is no recipe',
      (study) => (study['controls'] = ['imagenet']),
      /controls: there is no "imagenet"; there are random, uscl, simclr/,
    ],
    [
      'an endpoint on a target that is none',
      (study) => (study['endpoint'] = { reader: 'linear', targets: ['busi'] }),
      /endpoint\.targets: there is no "busi"; there are clinic/,
    ],
    [
      'an endpoint at a label rate that is not trained',
      (study) => (study['endpoint'] = { reader: 'finetune', labelRates: [0.05], targets: ['clinic'] }),
      /endpoint\.labelRates: there is no 0\.05; there are 0\.5, 1/,
    ],
    [
      'an endpoint that nothing measures',
      (study) => {
        study['endpoint'] = { reader: 'linear', targets: ['clinic'] };
        delete (study['protocols'] as Tree)['probe'];
      },
      /endpoint\.reader: linear needs the protocol probe/,
    ],
    [
      'a part that is none',
      (study) => (study['targets'] = [{ name: 'clinic', data: 'clinic', groups: { of: 2, part: 2 } }]),
      /parts are numbered 0 to 1/,
    ],
    [
      'a name that is no file name',
      (study) => recipes(study).push({ name: '../out', method: 'uscl' }),
      /recipes\.3\.name: letters, digits/,
    ],
    ['a plan that is not there', (study) => (study['plan'] = 'plan.md'), /plan: ENOENT/],
    ['a seed twice', (study) => (study['seeds'] = [1, 1]), /seeds: "1" is there twice/],
  ])('with %s is refused at that place', async (_, change, message) => {
    const error = await errorOf(() => read(change));
    expect([error.kind, error.code]).toEqual(['usage', 'STUDY_FILE']);
    expect(error.message).toMatch(message);
    expect(error.where).toContain('study.yaml');
  });

  test('that is no YAML is refused', async () => {
    const path = join(scratch, 'broken.yaml');
    writeFileSync(path, 'name: [');
    const error = await errorOf(() => readStudy(path, () => []));
    expect(error.message).toMatch(/^The study file cannot be used: it cannot be read/);
  });

  test('may take the best recipes of another, beside its own', () => {
    const study = smallStudy();
    study['best'] = { of: 'screen', count: 2 };
    const folder = join(scratch, 'best');
    const path = writeStudy(folder, study);
    const found = readStudy(path, (from, count) => {
      expect([from, count]).toEqual([join(folder, 'screen'), 2]);
      return [
        { name: 'moco', about: '', method: 'moco', set: [], finetune: [] },
        // One that is named here already stays as it is here.
        { name: 'uscl', about: '', method: 'uscl', preset: 'reference', set: [], finetune: [] },
      ];
    });
    expect(found.recipes.map(({ name }) => name)).toEqual(['random', 'uscl', 'simclr', 'moco']);
    expect(found.recipes[1]!.preset).toBe('paper');
  });
});

describe('what the project itself publishes', () => {
  const root = join(import.meta.dirname, '..', '..');

  /** All configurations of a study, complete. */
  function resolved(study: Study): number {
    const hashes = new Map<string, string>();
    return jobsOf(study, { sets: hashes, targets: hashes }).length;
  }

  test('the example of docs/studies.md is a study', () => {
    const [, example] = /```yaml\n([\s\S]*?)```/.exec(
      readFileSync(join(root, 'docs', 'studies.md'), 'utf8'),
    )!;
    const folder = join(scratch, 'example');
    mkdirSync(folder);
    writeFileSync(join(folder, 'plan.md'), 'A plan.');
    writeFileSync(join(folder, 'lung.yaml'), example!);
    const study = readStudy(join(folder, 'lung.yaml'), () => []);
    expect(study.seeds).toEqual([0, 1, 2]);
    // Three recipes, of which two learn; a probe and a fine-tuning on each of two targets; the meter.
    expect(resolved(study)).toBe(3 * (3 * 5 + 2));
  });
});

test('studies of the project are sound, and name a plan that is there', () => {
  const folder = join(import.meta.dirname, '..', '..', 'studies');
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  expect(files.sort()).toEqual([
    'ablation.yaml',
    'augment.yaml',
    'confirm.yaml',
    'screen.yaml',
    'unlabelled.yaml',
  ]);
  const of = new Map(
    files.map((name) => [
      name,
      readStudy(join(folder, name), () => [
        { name: 'best', about: '', method: 'simclr', set: [], finetune: [] },
      ]),
    ]),
  );
  const jobs = [...of].map(([name, study]) => {
    expect(study.plan).toBeTruthy();
    const hashes = {
      sets: new Map(setsOf(study).map((set) => [set, 'a'])),
      targets: new Map(study.targets.map((target) => [target.name, 'b'])),
    };
    return [name, jobsOf(study, hashes).length];
  });
  // A recipe that learns is pretrained, judged by each reader on each target, and its sources are told apart; one in place of `best` here.
  expect(Object.fromEntries(jobs)).toEqual({
    'ablation.yaml': 13 * 3 + 2,
    'augment.yaml': 15 * 3 + 2,
    'confirm.yaml': 5 * (3 * 6 + 5),
    'screen.yaml': 15 * 3 + 2,
    'unlabelled.yaml': 2 * 3 * 2,
  });
  // What is changed at screening size is compared with what was screened.
  const settings = (name: string) => new Set(of.get(`${name}.yaml`)!.pretraining.set);
  for (const name of ['ablation', 'augment'])
    expect([...settings('screen')].filter((one) => !settings(name).has(one))).toEqual([]);
});
