/** Every kind of source through `uscl ingest`, with the options that change what is taken; stopped, gone on with, repeated. */
import { rmSync } from 'node:fs';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { datasetOf } from './digests.ts';
import { differences } from './compare.ts';
import { sha } from './record.ts';
import { SOURCES } from './sources.ts';
import { linesIn, type Stage } from './stage.ts';

interface Ingest {
  readonly source: string;
  readonly args: readonly string[];
  readonly exit?: number;
}

const ingest = (source: string, ...args: readonly string[]): Ingest => ({ source, args });
const recipe = (source: string, name: string, ...args: readonly string[]): Ingest =>
  ingest(source, '--recipe', name, ...args);

/** By the names of the datasets. */
const INGESTS: Readonly<Record<string, Ingest>> = {
  videos: ingest('videos', '--labels', 'videos/labels.csv'),
  'videos-motion': ingest('videos', '--sampling', 'motion', '--colour', '--fps', '2', '--name', 'by motion'),
  'videos-whole': ingest('videos', '--crop', 'none', '--fps', 'all', '--size', '48', '--jobs', '2'),
  'videos-fields': ingest('videos', '--fields', 'videos/fields.yaml', '--labels', 'videos/semicolons.csv'),
  'videos-table': ingest('videos', '--fields', 'videos/fields.csv', '--labels', 'videos/wide.tsv.csv'),
  'videos-keyed': ingest('videos', '--key-file', 'mixed/site.key'),
  'videos-refused': ingest('videos', '--refuse-unmasked'),
  'videos-strict': { source: 'videos', args: ['--strict'], exit: 3 },
  'one-video': ingest('videos/a1.mp4'),
  'one-picture': ingest('stills/plain 2.png'),
  'one-object': ingest('dicom/native/cine.dcm'),
  frames: ingest('frames', '--labels', 'frames/labels.csv'),
  'frames-taken': ingest('frames', '--pictures', 'frames'),
  'frames-stills': ingest('frames', '--pictures', 'stills'),
  'frames-recipe': recipe('frames', 'frames', '--labels', 'frames/labels.csv'),
  shared: ingest('shared'),
  classes: ingest('classes'),
  stills: ingest('stills'),
  'stills-colour': ingest('stills', '--colour', '--crop', 'none', '--size', '300'),
  dicom: ingest('dicom'),
  'dicom-colour': ingest('dicom', '--colour', '--fps', 'all', '--key-file', 'mixed/site.key'),
  'dicom-unmasked': ingest('dicom', '--allow-unmasked'),
  mixed: ingest('mixed', '--labels', 'mixed/labels.csv'),
  'mixed-keyed': ingest('mixed', '--labels', 'mixed/labels.csv', '--key-file', 'mixed/site.key'),
  broken: { source: 'broken', args: [], exit: 3 },
  pocus: recipe('pocus-clone', 'pocus'),
  'pocus-stills': recipe('pocus-clone', 'pocus', '--stills'),
  'pocus-table': recipe('pocus-table', 'pocus', '--stills'),
  severity: recipe('blues', 'covid-blues', '--label', 'severity'),
  'a-lines': recipe('blues', 'covid-blues', '--label', 'a-lines'),
  'b-lines': recipe('blues', 'covid-blues', '--label', 'b-lines'),
  gallbladder: recipe('gallbladder', 'gallbladder', '--crop', 'none'),
  'gallbladder-test': recipe('gallbladder', 'gallbladder', '--part', 'test', '--crop', 'none'),
  us4: recipe('us4', 'us4'),
  butterfly: recipe('butterfly', 'butterfly'),
  'butterfly-plain': ingest('butterfly'),
  busi: recipe('busi', 'busi'),
  'busi-table': recipe('busi-table', 'busi'),
  masks: recipe('masks', 'masks'),
  'masks-labelled': recipe('masks', 'masks', '--labels', 'masks/labels.csv'),
  'masks-plain': ingest('masks'),
  structures: recipe('structures', 'masks'),
  hc18: recipe('hc18', 'masks'),
  flow: ingest('flow', '--colour', '--labels', 'flow/labels.csv', '--crop', 'none'),
};

/** Where the datasets lie. */
export const setAt = (name: string): string => `sets/${name}`;

/** Names of the datasets that an ingest is meant to write. */
export const INGESTED: readonly string[] = Object.keys(INGESTS).filter(
  (name) => INGESTS[name]!.exit === undefined,
);

export async function sourceChapter(stage: Stage): Promise<void> {
  stage.chapter('sources');
  for (const [name, make] of Object.entries(SOURCES)) {
    const folder = stage.makeFolder(name);
    await make(folder);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), sha(readFileSync(path))]);
    stage.put(name, `${files.length} files, ${sha(JSON.stringify(files))}`);
  }
}

export async function ingestChapter(stage: Stage): Promise<void> {
  stage.chapter('ingest');
  for (const [name, { source, args, exit = 0 }] of Object.entries(INGESTS)) {
    const size = args.includes('--size') ? [] : ['--size', '64'];
    const command = ['ingest', source, '--out', setAt(name), ...size, ...args];
    // Every other one as people see it, the rest as programs do.
    const json = Object.keys(INGESTS).indexOf(name) % 2 === 0 ? [] : ['--json'];
    stage.call(name, [...command, ...json], { exit });
    stage.put(`${name} dataset`, datasetOf(stage.at(setAt(name))));
  }
  await again(stage);
}

/** A kill at some moment, then the same command; and what is there already, taken over. */
async function again(stage: Stage): Promise<void> {
  const folder = (name: string): string => stage.at(setAt(name));
  const { source, args } = INGESTS['videos']!;
  const command = ['ingest', source, '--size', '64', ...args, '--out'];
  const journal = (): number => {
    const hidden = readdirSync(stage.at('sets')).find((name) => name.startsWith('.again.'));
    return hidden === undefined ? 0 : linesIn(stage.at('sets', hidden, 'ingest.jsonl'));
  };
  const whole = datasetOf(folder('videos'));
  const wanted = 1 + Math.floor(Math.random() * 5);
  const end = await stage.interrupted([...command, setAt('again')], () => journal() >= wanted);
  if (end !== 'SIGKILL') stage.unexpected.push(`ingest/killed: ${String(end)}`);
  // How much it took over hangs on the moment of the kill.
  stage.put('gone on', stage.run([...command, setAt('again')]).code);
  stage.put(
    'gone on as the whole',
    differences(whole, datasetOf(folder('again'))).map(({ name }) => name),
  );
  stage.call('not replaced', [...command, setAt('again')], { exit: 2 });
  stage.call('replaced', [...command, setAt('again'), '--overwrite', '--json']);
  stage.call('decoded again', [...command, setAt('again'), '--overwrite', '--no-reuse']);
  stage.put(
    'replaced as the whole',
    differences(whole, datasetOf(folder('again'))).map(({ name }) => name),
  );
  rmSync(folder('again'), { recursive: true, force: true });
}
