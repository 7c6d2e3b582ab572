/** What is done with trained networks: probed, asked about files and datasets, compared, explained, told of on a page. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderOf } from './digests.ts';
import { setAt } from './ingests.ts';
import { sha, type Value } from './record.ts';
import type { Stage } from './stage.ts';

const ONEDNN = ['--backend', 'onednn', '--precision', 'f32', '--threads', '1'];
const BF16 = ['--backend', 'onednn', '--precision', 'bf16', '--threads', '1'];
const REFERENCE = ['--backend', 'reference', '--precision', 'f32'];

export function useChapter(stage: Stage): void {
  stage.chapter('probe');
  probes(stage);
  stage.chapter('predict');
  predictions(stage);
  stage.chapter('evaluate');
  evaluations(stage);
  stage.chapter('explain');
  explanations(stage);
  stage.chapter('report');
  reports(stage);
}

function probes(stage: Stage): void {
  const few = ['--folds', '2', '--seeds', '2', '--random-inits', '1', '--k', '3'];
  stage.call('run', ['probe', 'runs/onednn-f32', 'new', ...few, '--frames', '4']);
  stage.call('run json', ['probe', 'runs/onednn-f32', 'tune', ...few, '--checkpoint', 'last', '--json']);
  stage.call('reference', ['probe', 'runs/reference-f32', 'new', ...few, '--backend', 'reference', '--json']);
  const split = ['--split', 'main', '--k', '3', '--random-inits', '1'];
  stage.call('on a split', ['probe', 'runs/onednn-bf16', 'tune', ...split]);
  stage.call('of what was trained on', ['probe', 'runs/onednn-f32', 'train', ...few], { exit: 3 });
  stage.call('with leaks', ['probe', 'runs/onednn-f32', 'train', ...few, '--allow-leaks']);
  const weights = 'runs/resnet34 unlabelled/checkpoints/last.safetensors';
  stage.call('weights', ['probe', weights, 'train', ...few, '--random-inits', '0', '--json']);
  stage.put('kept', folderOf(stage.at('runs/onednn-f32/probes')));
}

function predictions(stage: Stage): void {
  const predict = (name: string, args: readonly string[], exit = 0): void => {
    // The seconds of a frame in its clip are no times of the clock.
    stage.call(name, ['predict', ...args], { exit, keep: ['seconds'], depth: 3 });
  };
  predict('files', ['runs/folds', 'videos', ...ONEDNN], 3);
  predict('files json', ['runs/folds', 'videos', ...ONEDNN, '--json'], 3);
  predict('files bf16', ['runs/tuned bf16', 'videos/a1.mp4', 'stills/plain 1.jpeg', ...BF16, '--json']);
  predict('files reference', ['runs/tuned legacy', 'frames', 'videos/b', ...REFERENCE, '--json']);
  predict('objects', ['runs/folds', 'dicom', ...ONEDNN, '--json'], 3);
  predict('objects keyed', ['runs/folds', 'mixed', '--key-file', 'mixed/site.key', ...ONEDNN], 3);
  const settings = ['--fps', 'all', '--size', '48', '--crop', 'none', '--frames', '5', '--abstain', '0.34'];
  predict('settings', ['runs/folds', 'videos/a2.mp4', 'videos/c1.gif', ...settings, ...ONEDNN, '--json']);
  const fields = ['--fields', 'videos/fields.yaml', '--pictures', 'stills', '--refuse-unmasked'];
  predict('fields', ['runs/folds', 'videos/a1.mp4', 'frames', ...fields, ...ONEDNN], 3);
  predict('table', ['runs/folds', 'videos/a1.mp4', ...ONEDNN, '--format', 'csv']);
  for (const file of ['clips.csv', 'frames.csv', 'all.json']) {
    const rows = file === 'all.json' ? [] : ['--rows', file.slice(0, -'.csv'.length)];
    predict(file, ['runs/folds', 'videos/a1.mp4', 'videos/b', ...ONEDNN, ...rows, '--out', file]);
    stage.put(`${file} written`, textAt(stage, file));
  }
}

const textAt = (stage: Stage, name: string): Value =>
  existsSync(stage.at(name)) ? sha(readFileSync(stage.at(name))) : null;

function evaluations(stage: Stage): void {
  const evaluate = (name: string, run: string, dataset: string, args: readonly string[], exit = 0): void => {
    const out = `results/${name}`;
    const few = ['--resamples', '200', '--out', out];
    stage.call(name, ['evaluate', run, dataset, ...few, ...args], { exit });
    stage.put(`${name} files`, folderOf(stage.at(out)));
  };
  evaluate('plain', 'runs/folds', 'new', ONEDNN);
  evaluate('bf16', 'runs/tuned bf16', 'new', [...BF16, '--json', '--seed', '3']);
  evaluate('reference', 'runs/tuned legacy', 'new', [...REFERENCE, '--frames', '3', '--json']);
  writeFileSync(
    stage.at('merged.yaml'),
    'classes: {a-lines: a-lines, b-lines: b-lines, consolidation: drop}\nmerge: {lines: [a-lines, b-lines]}\n',
  );
  evaluate('mapped', 'runs/folds', 'new', ['--map', 'merged.yaml', ...ONEDNN]);
  evaluate('seen', 'runs/folds', 'tune', ONEDNN, 3);
  evaluate('with leaks', 'runs/folds', 'tune', [...ONEDNN, '--allow-leaks', '--json']);
  evaluate('other classes', 'runs/folds', setAt('flow'), ONEDNN, 3);
  const compare = (name: string, args: readonly string[], exit = 0): void => {
    stage.call(`compare ${name}`, ['compare-runs', ...args, '--resamples', '200'], { exit });
  };
  compare('runs', ['runs/folds', 'runs/tuned bf16']);
  compare('json', ['runs/folds', 'runs/tuned whole', '--json', '--seed', '2']);
  compare('evaluations', ['results/plain', 'results/bf16/predictions.json', '--bins', '5']);
  compare('protocols', ['runs/folds', 'runs/tuned legacy'], 3);
  compare('common', ['runs/folds', 'runs/tuned on a split', '--common-clips', '--mixed-protocols', '--json']);
}

function explanations(stage: Stage): void {
  const explain = (name: string, args: readonly string[], exit = 0): void => {
    const out = `explained/${name}`;
    stage.call(name, ['explain', ...args, '--out', out], { exit });
    stage.put(`${name} files`, folderOf(stage.at(out)));
  };
  const one = (stage.values['simulation']?.['new dataset'] ?? null) as { clips?: object } | null;
  const clip = Object.keys(one?.clips ?? {})[0] ?? 'patient-001';
  explain('all', ['runs/folds', 'new', '--cam', '--map', '--neighbours', clip, '--pictures', '3', ...ONEDNN]);
  const heat = ['--cam', '--layer', 'layer2', '--class', 'label', '--pictures', '2', '--frames', '3'];
  explain('heat', ['runs/tuned bf16', 'new', ...heat, '--video', 'gif', ...BF16, '--json']);
  explain('reference', ['runs/tuned legacy', 'new', '--cam', '--class', 'b-lines', ...REFERENCE]);
  explain('files', ['runs/folds', 'videos/a1.mp4', 'videos/b', '--cam', '--pictures', '2', ...ONEDNN]);
  const map = ['--map', '--map-neighbours', '4', '--min-dist', '0.3', '--seed', '5'];
  explain('map', ['runs/onednn-f32', 'new', 'tune', ...map, ...ONEDNN]);
  const near = ['--neighbours', clip, '--count', '4', '--same-group', '--checkpoint', 'last'];
  explain('near', ['runs/onednn-f32', 'new', ...near, ...ONEDNN, '--json']);
  explain('no classes', ['runs/onednn-f32', 'new', '--cam'], 2);
  stage.call('in the run', ['explain', 'runs/folds', 'new', '--cam', '--pictures', '2', ...ONEDNN]);
}

function reports(stage: Stage): void {
  for (const run of [
    'runs/onednn-f32',
    'runs/folds',
    'runs/tuned bf16',
    'runs/tuned legacy',
    'runs/augmented',
  ])
    maskMachine(stage.at(run));
  for (const run of ['runs/tuned whole', 'runs/resnet50 one norm']) maskMachine(stage.at(run));
  const report = (name: string, args: readonly string[], exit = 0): void => {
    const out = `${name}.html`;
    stage.call(name, ['report', ...args, '--out', out], { exit });
    stage.put(`${name} page`, pageOf(stage, out));
  };
  report('pretraining', ['runs/onednn-f32', '--json']);
  report('finetuning', ['runs/folds', '--dataset', 'tune', '--mistakes', '4']);
  report('no pictures', ['runs/folds', '--no-pictures', '--title', 'Without pictures']);
  const others = [
    'runs/tuned bf16',
    'runs/tuned whole',
    'runs/tuned legacy',
    'results/plain',
    'results/bf16',
  ];
  report('several', ['runs/folds', ...others, '--cams', '2']);
  report('settings', ['runs/augmented', 'runs/resnet50 one norm', 'results/mapped']);
}

/** What a run says of its machine, put under made-up facts in the same places. */
function maskMachine(run: string): void {
  const path = join(run, 'environment.json');
  if (!existsSync(path)) return;
  const masked = (value: unknown): unknown => {
    if (Array.isArray(value)) return value;
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, masked(one)]));
    return typeof value === 'number' ? 2 : typeof value === 'string' ? 'masked' : value;
  };
  const facts = masked(JSON.parse(readFileSync(path, 'utf8'))) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...facts, memory: 2 ** 34 }));
}

/** The parts of a page by their headings: dates and durations masked, embedded pictures as digests. */
function pageOf(stage: Stage, name: string): Value {
  if (!existsSync(stage.at(name))) return null;
  const page = readFileSync(stage.at(name), 'utf8')
    .replaceAll(/\d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC/g, '(a time)')
    .replaceAll(
      /data:([\w/+-]+);base64,([\w+/=]+)/g,
      (_, kind: string, data: string) => `${kind} ${sha(data)}`,
    );
  const parts = page.split(/(?=<h[123][ >])/);
  return Object.fromEntries(
    parts.map((part, i) => {
      const heading = /<h[123][^>]*>(.*?)<\/h[123]>/s.exec(part)?.[1] ?? 'head';
      return [`${i} ${heading.replaceAll(/<[^>]*>/g, '')}`, sha(part)];
    }),
  );
}
