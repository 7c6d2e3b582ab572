/** What is done with datasets: looked over, audited, split, merged; and simulated ones. */
import { existsSync, readFileSync } from 'node:fs';
import { datasetOf, folderOf } from './digests.ts';
import { INGESTED, setAt } from './ingests.ts';
import { sha, type Value } from './record.ts';
import type { Stage } from './stage.ts';

/** Simulated datasets for training: their names, and what is asked of `uscl phantom`. */
const SIMULATED: Readonly<Record<string, readonly string[]>> = {
  train: ['--seed', '1', '--clips', '24', '--frames', '8', '--size', '40'],
  watch: ['--seed', '2', '--clips', '12', '--frames', '6', '--size', '40'],
  tune: ['--seed', '3', '--clips', '30', '--patients', '10', '--frames', '6', '--size', '40'],
  new: ['--seed', '4', '--clips', '12', '--frames', '6', '--size', '40'],
  two: [
    '--seed',
    '5',
    '--clips',
    '6',
    '--frames',
    '4',
    '--size',
    '64',
    '--class',
    'a-lines',
    '--class',
    'b-lines',
  ],
};

export function simulationChapter(stage: Stage): void {
  stage.chapter('simulation');
  for (const [name, args] of Object.entries(SIMULATED)) {
    stage.call(name, ['phantom', '--out', name, ...args]);
    stage.put(`${name} dataset`, datasetOf(stage.at(name)));
  }
}

/** Of a picture that a command wrote. */
const pictureAt = (stage: Stage, name: string): Value =>
  existsSync(stage.at(name)) ? sha(readFileSync(stage.at(name))) : null;

export function datasetChapter(stage: Stage): void {
  stage.chapter('datasets');
  for (const [i, name] of INGESTED.entries()) {
    const json = i % 2 === 0 ? ['--json'] : [];
    stage.call(`inspect ${name}`, ['inspect', setAt(name), '--sheet', `${name}.png`, ...json], { depth: 1 });
    stage.put(`sheet of ${name}`, pictureAt(stage, `${name}.png`));
  }
  for (const [name, source] of [
    ['videos', 'videos'],
    ['stills', 'stills'],
    ['frames', 'frames'],
  ] as const) {
    const outlines = `${name}-outlines.png`;
    const args = ['--source', source, '--outlines', outlines];
    stage.call(`outlines of ${name}`, ['inspect', setAt(name), '--no-sheet', ...args]);
    stage.put(`picture of outlines of ${name}`, pictureAt(stage, outlines));
  }
  audits(stage);
  splits(stage);
  merges(stage);
}

function audits(stage: Stage): void {
  const found = { exit: 3 };
  stage.call('audit videos', ['audit', setAt('videos'), '--sheet', 'audit.png'], found);
  stage.put('audit sheet', pictureAt(stage, 'audit.png'));
  const pair = [setAt('videos'), setAt('videos-whole')];
  stage.call('audit two', ['audit', ...pair, '--sheet', 'audit-two.png', '--json'], found);
  stage.put('audit sheet of two', pictureAt(stage, 'audit-two.png'));
  stage.call('audit every frame', ['audit', ...pair, '--no-sheet', '--every-frame', '--no-changed'], found);
  stage.call('audit near', ['audit', 'train', '--no-sheet', '--distance', '10', '--json']);
  stage.call('audit apart', ['audit', 'train', 'new', '--no-sheet']);
}

function splits(stage: Stage): void {
  stage.call('split folds', ['split', 'tune', '--folds', '3']);
  stage.call('split test', ['split', 'tune', '--test', '0.3', '--val', '0.2', '--name', 'main', '--json']);
  stage.call('split seed', ['split', 'tune', '--folds', '3', '--seed', '7', '--name', 'other']);
  stage.call('split again', ['split', 'tune', '--folds', '3'], { exit: 2 });
  stage.call('split by table', ['split', setAt('videos'), '--test', '0.3', '--name', 'main', '--json']);
  stage.call('split busi', ['split', setAt('busi'), '--folds', '2'], { exit: 3 });
  stage.call('split of train', ['split', 'train', '--test', '0.3', '--val', '0.2', '--name', 'main']);
  stage.call('split elsewhere', ['split', 'new', '--folds', '2', '--out', 'folds-of-new.json']);
  stage.put('files of splits', folderOf(stage.at('tune', 'splits')));
}

function merges(stage: Stage): void {
  const merged = (name: string, args: readonly string[], exit = 0): void => {
    stage.call(`merge ${name}`, ['merge', ...args, '--out', setAt(name)], { exit });
    stage.put(`merged ${name}`, datasetOf(stage.at(setAt(name))));
  };
  merged('merged', [setAt('videos'), setAt('busi'), '--prefixes', 'v,b']);
  merged('merged-grey', [setAt('flow'), 'two', '--channels', '1', '--name', 'grey']);
  merged('merged-colour', [setAt('flow'), 'two', '--channels', '3', '--separate-classes']);
  merged('merged-groups', ['train', 'watch', '--prefixes', 'a,b', '--keep-groups', '--unlabelled', '--json']);
  merged('merged-refused', [setAt('flow'), 'two'], 2);
  stage.call('inspect merged', ['inspect', setAt('merged'), '--no-sheet']);
}
