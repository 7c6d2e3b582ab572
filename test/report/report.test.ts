/** What a page must say, must never do, and refuses. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { evaluationSchema } from '../../src/evaluation/scores/evaluation-result.ts';
import { comparePredictions } from '../../src/evaluation/comparisons/compare-predictions.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { interval, percent, score, signed } from '../../src/report/numbers.ts';
import { type ReportOptions, writeReport } from '../../src/report/report.ts';
import { fixtureDataset, fixtureFinetune, fixturePretrain, HOSTILE } from './fixture.ts';
import { runsAndPages } from './pages.ts';

const { at, page } = runsAndPages();

beforeAll(async () => {
  await fixtureDataset(at('data'));
  await fixtureFinetune(at('good'), at('data'), { skill: 2, explained: true, given: 'runs/blues' });
  await fixtureFinetune(at('poor'), at('data'), { skill: 0.3 });
  await fixtureFinetune(at('legacy'), at('data'), { protocol: 'legacy', seeds: 1, labelRates: [1] });
  fixturePretrain(at('pretrained'), at('data'));
});

/** The words of a page, as a reader sees them. */
function words(text: string): string {
  return text
    .replaceAll(/<style>[^]*?<\/style>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&#39;', "'")
    .replaceAll(/\s+/g, ' ');
}

const headings = (text: string): readonly string[] =>
  [...text.matchAll(/<h2>([^]*?)<\/h2>/g)].map(([, inner = '']) => words(inner).trim());

async function refusal(
  runs: readonly string[],
  out: string,
  options: ReportOptions = {},
): Promise<UsclError> {
  const thrown = await writeReport(runs, out, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof UsclError) return thrown;
  throw new Error('No error that a person could act on.', { cause: thrown });
}

describe('the page of a fine-tuning run', () => {
  test('goes from the result to the details and says what it must not be used for', async () => {
    const text = await page(['good'], { datasets: [at('data')] });
    expect(headings(text)).toEqual([
      'In short',
      'Data and protocol',
      'Results',
      'Figures',
      'Training',
      'What the network sees',
      'Worst mistakes',
      'Methods text',
      'Model card',
      'Configuration',
      'Environment',
    ]);
    expect(words(text)).toContain('Research use only — not a medical device');
  });

  test('has the numbers of the evaluation, with their intervals', async () => {
    const text = words(await page(['good']));
    const evaluation = evaluationSchema.parse(JSON.parse(readFileSync(at('good/metrics.json'), 'utf8')));
    const { scores, perClass } = evaluation.labelRates.at(-1)!.clipMean;
    const [low, high] = scores.accuracy.interval!;
    expect(text).toContain(
      `${percent(scores.accuracy.mean)} of 36 clips (95 % interval ${(100 * low).toFixed(1)} to ${percent(high)}; mean of 3 seeds)`,
    );
    for (const one of Object.values(scores))
      expect(text).toContain(`${score(one.mean)}${one.note === null ? '' : '*'}${interval(one.interval)}`);
    for (const one of perClass) expect(text).toContain(score(one.f1.mean));
  });

  test('writes a methods text from what was configured, and cites the method', async () => {
    const text = words(await page(['good']));
    expect(text).toContain('36 labelled clips of 18 groups');
    expect(text).toContain('3-fold cross-validation of whole groups, repeated with 3 seeds');
    expect(text).toContain('the test clips took no part in any choice');
    expect(text).toContain('initial weights came from blues: pretrained by USCL');
    expect(text).toContain('AdamW with a learning rate of 0.0003 (times 10 for classifier.*)');
    expect(text).toContain('200 bootstrap draws of whole groups');
    expect(text).toContain('doi:10.1007/978-3-030-87237-3_60');
    expect(words(await page(['poor']))).not.toContain('pretrained by USCL');
  });

  test('is the same bytes for the same run', async () => {
    const options = { datasets: [at('data')] };
    expect(await page(['good'], options)).toBe(await page(['good'], options));
    expect(await page(['poor', 'good'], options)).toBe(await page(['poor', 'good'], options));
  });

  test('needs nothing but itself', async () => {
    const text = await page(['good', 'poor', 'pretrained'], { datasets: [at('data')] });
    expect(text).toContain("default-src 'none'");
    expect(text).not.toMatch(/<script|<link|<iframe|@import|url\(|javascript:/i);
    const addresses = [...text.matchAll(/\s(?:src|href)="([^"]{0,12})/g)].map(([, address = '']) => address);
    expect(addresses.length).toBeGreaterThan(20);
    for (const address of addresses) expect(address).toMatch(/^(#|data:image\/)/);
    expect(text).not.toContain(at(''));
  });

  test('has words for every picture and numbers behind every chart', async () => {
    const text = await page(['good'], { datasets: [at('data')] });
    const figures = [...text.matchAll(/<figure[^>]*>([^]*?)<\/figure>/g)].map(([, inner = '']) => inner);
    expect(figures.length).toBeGreaterThan(15);
    for (const figure of figures) {
      const alt =
        /<img[^>]* alt="([^"]*)"/.exec(figure)?.[1] ?? /<svg[^>]* aria-label="([^"]*)"/.exec(figure)?.[1];
      expect(alt?.length ?? 0, figure.slice(0, 200)).toBeGreaterThan(20);
      if (!figure.includes('<img')) expect(figure).toMatch(/<details>[^]*<table>[^]*<td/);
    }
    const ids = [...text.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of text.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target);
  });

  test('shows frames only where the dataset is given, and none at all where that is asked for', async () => {
    const shown = await page(['poor'], { datasets: [at('data')], mistakes: 3 });
    expect(shown.match(/<img/g)).toHaveLength(3);
    expect(words(shown)).toContain('This page holds 3 pictures of clips');
    expect(await page(['poor'])).not.toContain('<img');
    const none = await page(['good'], { datasets: [at('data')], pictures: false });
    expect(none).not.toContain('<img');
    expect(words(none)).toContain('This page holds no picture of a patient');
    expect(words(none)).toContain('91.0 % of the heat lies inside the ultrasound field');
  });

  test('says how to make what has not been made', async () => {
    const text = words(await page(['poor']));
    expect(text).toContain('uscl explain RUN DATASET --cam --map');
    expect(text).toContain('uscl report … --dataset FOLDER');
  });

  test('says of a legacy run at the top, at the tables and in the methods that it is optimistic', async () => {
    const text = words(await page(['legacy']));
    expect(text).toContain('Optimistic numbers. This run follows the legacy protocol');
    expect(text).toContain('All of these are optimistic');
    expect(text).toContain('the epoch was chosen by the score on the test fold itself');
    expect(text).not.toContain('Leak audit: no leak found');
    expect(words(await page(['good']))).not.toMatch(/optimistic/i);
  });

  test('says of leaks that were allowed before any number is believed', async () => {
    await fixtureFinetune(at('leaky'), at('data'), { leaks: ['clip-00 was trained on with its label'] });
    const text = words(await page(['leaky']));
    expect(text.indexOf('Leaks were found and allowed. clip-00 was trained on with its label')).toBeLessThan(
      text.indexOf('Data and protocol Clips'),
    );
    expect(text).toContain('Known leaks between training and test were allowed');
    expect(text).not.toContain('no leak found');
  });

  test('calls leaks unknown where nobody knows what the weights were trained on', async () => {
    const unknown = words(await page(['good']));
    expect(unknown).toContain('Leaks: known in part. What the weights were trained on before is not known');
    expect(unknown).not.toContain('no leak found. By');
    expect(words(await page(['poor']))).toContain('Leak audit: no leak found. By digests');
  });

  test('shows what is known of leaks as a warning or as good news, with its first words', async () => {
    await fixtureFinetune(at('found'), at('data'), { leaks: ['clip-00'], labelRates: [1] });
    await fixtureFinetune(at('met'), at('data'), {
      ...{ given: 'runs/blues', labelRates: [1], overlap: { seen: 2, labelsSeen: 0 } },
    });
    cpSync(at('poor'), at('unrecorded'), { recursive: true });
    rmSync(at('unrecorded/folds.json'));
    for (const [run, kind, says] of [
      ['good', 'warn', 'Leaks: known in part.'],
      ['poor', 'good', 'Leak audit: no leak found.'],
      ['met', 'good', 'Leak audit: no leak found.'],
      ['found', 'warn', 'Leaks were found and allowed.'],
      ['legacy', 'warn', 'Leaks by protocol.'],
      ['unrecorded', 'warn', 'Leaks: not known.'],
    ] as const) {
      const notices = [
        ...(await page([run])).matchAll(/<p class="notice (\w+)"><strong>(Leak[^<]*)<\/strong>/g),
      ];
      // In short, and again beside the data.
      expect(
        notices.map(([, ...found]) => found),
        run,
      ).toEqual([
        [kind, says],
        [kind, says],
      ]);
    }
  });

  test('has the configuration as it lies in the run, a key a line', async () => {
    for (const run of ['good', 'pretrained']) {
      const shown = /<pre[^>]* aria-label="Configuration">([^]*?)<\/pre>/.exec(await page([run]))?.[1] ?? '';
      const text = shown.replaceAll('&quot;', '"');
      const { version, ...config } = JSON.parse(readFileSync(at(`${run}/config.json`), 'utf8')) as {
        version: number;
      };
      expect(version).toBeGreaterThan(0);
      expect(JSON.parse(text)).toEqual(config);
      expect(text).toMatch(/^\{\n {2}"\w+": /);
      expect(text.split('\n').length).toBeGreaterThan(40);
    }
  });

  test('says where the data do not show that anything was learnt', async () => {
    await fixtureFinetune(at('chance'), at('data'), { skill: -0.3, labelRates: [1] });
    expect(words(await page(['chance']))).toContain(
      'these data do not show that the model has learnt to tell the classes apart',
    );
    expect(words(await page(['good']))).toContain('lies above that of a constant answer');
  });
});

test('names from outside are text, whatever they hold', async () => {
  const classes = [`a${HOSTILE}`, `b${HOSTILE}`, 'c\u202eolleh'];
  await fixtureDataset(at('hostile-data'), { name: `set ${HOSTILE}`, classes, prefix: HOSTILE });
  await fixtureFinetune(at('hostile'), at('hostile-data'), {
    ...{ skill: 0.2, explained: true, given: `x/${HOSTILE.replaceAll('/', '')}` },
    leaks: [HOSTILE],
  });
  const text = await page(['hostile', 'poor'], { datasets: [at('hostile-data')], title: HOSTILE });
  expect(text).toContain('&lt;script&gt;alert(&quot;x&quot;)');
  expect(text).not.toMatch(/<script|<img src=x|onerror='/i);
  expect(text).not.toContain('\u202e');
  expect(text).toContain(String.raw`c\u{202e}olleh`);
});

describe('several runs', () => {
  test('stand side by side with the paired differences of compare-runs', async () => {
    const text = words(await page(['poor', 'good']));
    const { labelRates } = await comparePredictions(
      readPredictions(at('good')),
      readPredictions(at('poor')),
      {
        names: ['good', 'poor'],
      },
    );
    const { balancedAccuracy, ece } = labelRates.at(-1)!.clipMean.scores;
    for (const one of [balancedAccuracy, ece]) {
      expect(text).toContain(signed(one.mean));
      expect(text).toContain(interval(one.interval));
    }
    expect(text).toContain('good against poor');
    expect(text).toContain('about one in twenty leaves out zero by luck alone');
    expect(text).toContain(
      `Balanced accuracy of good differs from that of poor by ${signed(balancedAccuracy.mean)}`,
    );
  });

  test('of one quality are said not to be told apart', async () => {
    cpSync(at('poor'), at('twin'), { recursive: true });
    expect(words(await page(['poor', 'twin']))).toContain('these clips do not tell the two runs apart');
  });

  test('may be of any kind; what cannot be compared says why', async () => {
    await fixtureDataset(at('other-data'), { name: 'other', classes: ['x', 'y'], prefix: 'other-' });
    await fixtureFinetune(at('other'), at('other-data'), { labelRates: [1] });
    const text = await page(['good', 'other', 'legacy', 'pretrained']);
    expect(words(text)).toContain('Not compared. The first run tells apart');
    expect(words(text)).toContain("Not compared. The first run followed the protocol 'legacy'");
    expect(words(text)).toContain('Pretraining runs');
    expect(headings(text)).toEqual(['In short', 'Side by side', 'good', 'other', 'legacy', 'pretrained']);
  });

  test('of one folder name in two places are told apart', async () => {
    mkdirSync(at('elsewhere'));
    cpSync(at('poor'), at('elsewhere/good'), { recursive: true });
    expect(headings(await page(['good', 'elsewhere/good']))).toEqual([
      'In short',
      'Side by side',
      'good (1)',
      'good (2)',
    ]);
  });
});

describe('the page of a pretraining run', () => {
  test('has curves, rank, alignment and uniformity, and claims no result', async () => {
    const text = words(await page(['pretrained']));
    expect(text).toContain('Effective rank of held-out features');
    expect(text).toContain('Alignment and uniformity');
    expect(text).toContain('28 clips of phantom');
    expect(text).toContain('without any label');
    expect(text).toContain('Pretraining scores nothing that a clinician would ask for');
  });

  test('calls a collapse a collapse', async () => {
    fixturePretrain(at('collapsed'), at('data'), { rank: -4 });
    expect(words(await page(['collapsed']))).toContain('So low a rank is a collapse');
    expect(words(await page(['pretrained']))).not.toContain('So low a rank is a collapse');
  });

  test('without a step yet says so', async () => {
    fixturePretrain(at('fresh'), at('data'));
    rmSync(at('fresh/log.jsonl'));
    expect(words(await page(['fresh']))).toContain('has not logged a step yet');
  });
});

describe('what is refused', () => {
  const out = at('refused.html');

  test('a folder that is no run, a file, nothing at all', async () => {
    mkdirSync(at('empty'));
    writeFileSync(at('file'), 'x');
    for (const [run, says] of [
      ['empty', 'is no run'],
      ['file', 'is a file'],
      ['nowhere', 'There is nothing at'],
    ] as const) {
      const error = await refusal([at(run)], out);
      expect(error).toMatchObject({ code: 'REPORT_NO_RUN', kind: 'usage' });
      expect(error.message).toContain(says);
    }
    expect(await refusal([], out)).toMatchObject({ code: 'REPORT_NO_RUN' });
    expect(await refusal([at('good'), `${at('good')}/`], out)).toMatchObject({ code: 'REPORT_NO_RUN' });
  });

  test('a run without predictions or without scores', async () => {
    for (const file of ['predictions.json', 'metrics.json']) {
      rmSync(at('unfinished'), { recursive: true, force: true });
      cpSync(at('poor'), at('unfinished'), { recursive: true });
      rmSync(join(at('unfinished'), file));
      const error = await refusal([at('unfinished')], out);
      expect(error).toMatchObject({ code: 'REPORT_UNFINISHED', kind: 'data' });
      expect(error.message).toContain(file);
    }
  });

  test('files that are damaged, each by its name', async () => {
    for (const [file, code] of [
      ['config.json', 'RUN_DAMAGED'],
      ['metrics.json', 'RUN_DAMAGED'],
      ['source.json', 'RUN_DAMAGED'],
      ['folds.json', 'RUN_DAMAGED'],
      ['environment.json', 'RUN_DAMAGED'],
      ['predictions.json', 'PREDICTIONS_INVALID'],
      ['explain/explain.json', 'EXPLANATION_DAMAGED'],
      ['explain/cam.png', 'EXPLANATION_DAMAGED'],
    ] as const) {
      rmSync(at('damaged'), { recursive: true, force: true });
      cpSync(at('good'), at('damaged'), { recursive: true });
      writeFileSync(join(at('damaged'), file), '{"half":');
      const error = await refusal([at('damaged')], out);
      expect(error.code, file).toBe(code);
      expect(error.where).toContain(file);
    }
    expect(existsSync(out)).toBe(false);
  });

  test('a dataset that is not that of any run', async () => {
    await fixtureDataset(at('changed-data'), { clips: 30 });
    expect(await refusal([at('good')], out, { datasets: [at('changed-data')] })).toMatchObject({
      code: 'REPORT_DATASET',
    });
  });

  test('an output that is not ours; a report is replaced', async () => {
    writeFileSync(at('thesis.html'), '<p>years of work</p>');
    expect(await refusal([at('good')], at('thesis.html'))).toMatchObject({ code: 'OUTPUT_NOT_OURS' });
    expect(readFileSync(at('thesis.html'), 'utf8')).toBe('<p>years of work</p>');
    expect(await refusal([at('good')], at('data'))).toMatchObject({ code: 'OUTPUT_NOT_OURS' });
    await writeReport([at('poor')], at('again.html'));
    await writeReport([at('good')], at('again.html'));
    expect(readFileSync(at('again.html'), 'utf8')).toContain('<title>good</title>');
    await writeReport([at('good')], at('thesis.html'), { overwrite: true });
    expect(readFileSync(at('thesis.html'), 'utf8')).toContain('<title>good</title>');
  });
});

test('names that may identify patients: counts in the page, examples for the screen only, silence where there are none', async () => {
  await fixtureDataset(at('named'), { prefix: 'MUELLER_HANS_19540312-', clips: 12 });
  await fixtureFinetune(at('tuned-named'), at('named'), {});
  const summary = await writeReport([at('tuned-named')], at('named.html'));
  expect(summary.identifying.map(({ kind, count }) => [kind, count])).toEqual([
    ['name', 18],
    ['date', 18],
  ]);
  expect(summary.identifying[0]!.examples[0]).toBe('MUELLER_HANS_19540312-00');
  const text = readFileSync(at('named.html'), 'utf8');
  const warning = /<p class="badge" role="note">([^]*?)<\/p>/.exec(text)?.[1] ?? '';
  expect(words(warning)).toContain('may identify patients: 18 look like names, 18 like dates');
  expect(warning).not.toContain('MUELLER');
  expect(await page(['good'])).not.toContain('may identify patients');
});
