/** Every number in the tables of a page beside the run's own files: what a chart shows stands there too. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { comparePredictions } from '../../src/evaluation/comparisons/compare-predictions.ts';
import {
  CLASS_SCORES,
  evaluationSchema,
  OVERALL_SCORES,
  type Score,
} from '../../src/evaluation/scores/evaluation-result.ts';
import { readPredictions, writePredictions } from '../../src/evaluation/scores/predictions.ts';
import { readEpochLog } from '../../src/finetune/epoch-log.ts';
import { measured, readLog } from '../../src/runs/log.ts';
import { changedRun, CLASSES, fixtureDataset, fixtureFinetune, fixturePretrain } from './fixture.ts';
import { factsOf, said, tableOf, tables, words } from './page.ts';
import { runsAndPages } from './pages.ts';

const { at, page: pageOf } = runsAndPages();
const page = (...runs: string[]): Promise<string> => pageOf(runs, { datasets: [at('data')] });

let good: string;
let both: string;
let pretrained: string;
beforeAll(async () => {
  await fixtureDataset(at('data'));
  await fixtureFinetune(at('good'), at('data'), { skill: 2, explained: true });
  await fixtureFinetune(at('poor'), at('data'), { skill: 0.3 });
  fixturePretrain(at('pretrained'), at('data'));
  good = await page('good');
  both = await page('poor', 'good', 'pretrained');
  pretrained = await page('pretrained');
});

const minus = (text: string): string => text.replace(/^-/, '−');
const three = (value: number | null): string => (value === null ? '–' : minus(value.toFixed(3)));
const signed = (value: number | null): string =>
  value === null
    ? '–'
    : Number(value.toFixed(3)) > 0
      ? `+${value.toFixed(3)}`
      : three(Number(value.toFixed(3)) || 0);
const ends = (interval: readonly [number, number] | null): string => {
  if (interval === null) return '–';
  const [low, high] = interval;
  return `${three(low)}${low < 0 || high < 0 ? ' to ' : '–'}${three(high)}`;
};
/** Value and interval as they stand in one cell; the asterisk is a remark's. */
const cell = ({ mean, interval, note }: Score): string =>
  `${three(mean)} ${note === null ? '' : '* '}${ends(interval)}`;
const evaluation = (run: string) =>
  evaluationSchema.parse(JSON.parse(readFileSync(at(`${run}/metrics.json`), 'utf8')));
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

describe('scores', () => {
  test('stand at each level with their intervals and the spread over seeds', () => {
    const rate = evaluation('good').labelRates.at(-1)!;
    const [head, ...rows] = tableOf(good, 'Scores at each level');
    expect(head).toEqual([
      'Score',
      'Clips, by mean probability',
      'Clips, by majority of frames',
      'Frames',
      'Spread over seeds (sd)',
    ]);
    expect(rows.map(([, ...cells]) => cells)).toEqual(
      OVERALL_SCORES.map((key) => [
        ...(['clipMean', 'clipVote', 'frame'] as const).map((level) => cell(rate[level].scores[key])),
        three(rate.clipMean.scores[key].sd),
      ]),
    );
    expect(
      rows.filter(([name]) => name!.includes('less is better')).map(([name]) => name!.slice(0, 5)),
    ).toEqual(['Calib', 'Brier']);
  });

  test('stand class by class, and for every label rate', () => {
    const { labelRates } = evaluation('good');
    const { perClass } = labelRates.at(-1)!.clipMean;
    expect(tableOf(good, 'Scores of each class against all others').slice(1)).toEqual(
      perClass.map((one) => [one.name, String(one.support), ...CLASS_SCORES.map((key) => cell(one[key]))]),
    );
    expect(tableOf(good, 'Scores by label rate').slice(1)).toEqual(
      labelRates.map(({ labelRate, clipMean }) => [
        `${100 * labelRate} %`,
        ...OVERALL_SCORES.map((key) => cell(clipMean.scores[key])),
      ]),
    );
    expect(tableOf(good, 'Label efficiency in numbers').slice(1)).toEqual(
      labelRates.map(({ labelRate, clipMean: { scores } }) => [
        `${100 * labelRate} %`,
        ...[scores.balancedAccuracy, scores.auroc].flatMap((one) => [three(one.mean), ends(one.interval)]),
      ]),
    );
  });

  test('have the clips behind them: of each class, with its share and groups', () => {
    const { data } = evaluation('good');
    expect(tableOf(good, 'Clips of each class').slice(1)).toEqual(
      CLASSES.map((name) => [name, '12', '33.3 %', '6']),
    );
    const facts = factsOf(good);
    expect(facts.get('Scored')).toContain(`${data.clips} clips of ${data.groups} groups`);
    // Three frames of each clip.
    expect(facts.get('Frames looked at')).toBe('108 a seed');
    expect(facts.get('Not scored')).toBe('0 clips without a label, 0 never tested');
    expect(facts.get('Folds')).toBe('3, of whole groups');
    expect(facts.get('Seeds')).toMatch(/^0, 1 and 2 /);
    expect(facts.get('Models trained for these scores')).toBe('9');
    expect(facts.get('Label rates')).toBe('25 % and 100 %');
  });
});

describe('figures', () => {
  const clipsOf = (run: string, seed: number) =>
    readPredictions(at(run))
      .cells.filter((one) => one.labelRate === 1 && one.seed === seed)
      .flatMap(({ rows }) => rows)
      .map(({ clip, probabilities }) => ({
        truth: readPredictions(at(run)).clips[clip]!.label!,
        shares: CLASSES.map((_, c) => mean(probabilities.map((frame) => frame[c]!))),
      }));
  const clipRows = (seed: number) => clipsOf('good', seed);

  test('the confusion matrix counts clips by truth and answer, mean over seeds', () => {
    const seeds = [0, 1, 2].map(clipRows);
    const counts = CLASSES.map((_, truth) =>
      CLASSES.map((_, said) =>
        mean(
          seeds.map(
            (rows) =>
              rows.filter(
                (row) => row.truth === truth && row.shares.indexOf(Math.max(...row.shares)) === said,
              ).length,
          ),
        ),
      ),
    );
    const [head, ...rows] = tableOf(good, 'Confusion matrix in numbers');
    expect(head).toEqual(['True class', ...CLASSES.map((name) => `said ${name}`)]);
    expect(rows).toEqual(
      CLASSES.map((name, c) => [name, ...counts[c]!.map((value) => String(Number(value.toPrecision(4))))]),
    );
    const hits = CLASSES.map((name, c) => `${(100 * (counts[c]![c]! / 12)).toFixed(0)} % of ${name}`);
    expect(good).toContain(`Named right: ${hits.slice(0, 2).join(', ')} and ${hits[2]!}.`);
  });

  type Clips = ReturnType<typeof clipsOf>;
  /** Points of the curve of class c, from the surest clip: steps up and to the right, as all scores differ. */
  const rocOf = (scored: Clips, c: number): readonly (readonly [number, number])[] => {
    const own = scored.filter(({ truth }) => truth === c).map(({ shares }) => shares[c]!);
    const others = scored.filter(({ truth }) => truth !== c).map(({ shares }) => shares[c]!);
    const passed = (scores: readonly number[], threshold: number): number =>
      scores.filter((score) => score >= threshold).length / scores.length;
    return [
      [0, 0],
      ...[...own, ...others]
        .sort((a, b) => b - a)
        .map((threshold) => [passed(others, threshold), passed(own, threshold)] as const),
    ];
  };
  /** Upper end of the curve at a rate; straight between its points. */
  const truePositive = (points: ReturnType<typeof rocOf>, rate: number): number => {
    const before = points.filter(([x]) => x <= rate).at(-1)!;
    const after = points.find(([x]) => x > rate);
    if (after === undefined) return before[1];
    return before[1] + ((rate - before[0]) / (after[0] - before[0])) * (after[1] - before[1]);
  };

  // Those of the poor run climb at the very rates that the table lists.
  test.each(['good', 'poor'])('ROC curves of the %s run are read at the right places', async (run) => {
    const rates = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5];
    const text = await page(run);
    const [head, ...rows] = tableOf(text, 'True positive rate at some false positive rates');
    expect(head!.slice(3)).toEqual(rates.map((rate) => `at ${100 * rate} %`));
    const { perClass } = evaluation(run).labelRates.at(-1)!.clipMean;
    expect(rows).toEqual(
      CLASSES.map((name, c) => {
        const curves = [0, 1, 2].map((seed) => rocOf(clipsOf(run, seed), c));
        return [
          name,
          three(perClass[c]!.auroc.mean),
          ends(perClass[c]!.auroc.interval),
          ...rates.map((rate) => three(mean(curves.map((curve) => truePositive(curve, rate))))),
        ];
      }),
    );
  });

  /** Points of the full lines of the chart whose description begins so, by style. */
  const drawn = (text: string, label: string): readonly (readonly (readonly number[])[])[] => {
    const svg = text.split('<svg').find((part) => part.includes(`aria-label="${label}`)) ?? '';
    const lines = svg.split('</svg>')[0]!.matchAll(/<polyline class="line s\d"[^>]* points="([^"]*)"/g);
    return [...lines].map(([, points = '']) =>
      points.split(' ').map((point) => point.split(',').map(Number)),
    );
  };
  /** Paper between the axes of a chart of this height, in pixels. */
  const [left, right, top, bottom] = [50, 348, 12, 256];
  const height = (share: number): number => bottom - share * (bottom - top);

  test('the thick ROC curve is the mean of the seeds at every rate there is, from corner to corner', () => {
    const lines = drawn(good, 'ROC curves.');
    expect(lines).toHaveLength(3);
    for (const [c, line] of lines.entries()) {
      const curves = [0, 1, 2].map((seed) => rocOf(clipRows(seed), c));
      expect(line[0]).toEqual([left, bottom]);
      expect(line.at(-1)).toEqual([right, top]);
      // Of 24 clips of other classes; pixels are rounded to a tenth.
      const points = line.map(
        ([x, y]) => [Math.round((24 * (x! - left)) / (right - left)) / 24, y!] as const,
      );
      for (let passed = 0; passed <= 24; passed++) {
        const wanted = mean(curves.map((curve) => truePositive(curve, passed / 24)));
        expect(Math.abs(truePositive(points, passed / 24) - height(wanted))).toBeLessThan(0.11);
      }
    }
  });

  test('label efficiency is drawn over a scale of equal factors, the rates a little inside of it', () => {
    const { labelRates } = evaluation('good');
    const span = Math.log(4 * 1.15 ** 2);
    const places = [0.25, 1].map((rate) => left + (Math.log((1.15 * rate) / 0.25) / span) * (right - left));
    const scores = ['balancedAccuracy', 'auroc'] as const;
    const lines = drawn(good, 'Label efficiency.');
    expect(lines).toHaveLength(2);
    for (const [style, line] of lines.entries())
      for (const [i, [x, y]] of line.entries()) {
        expect(Math.abs(x! - places[i]!)).toBeLessThan(0.051);
        expect(Math.abs(y! - height(labelRates[i]!.clipMean.scores[scores[style]!].mean!))).toBeLessThan(
          0.051,
        );
      }
    expect(lines.map((line) => line.length)).toEqual([2, 2]);
  });

  test('are told in words to those who do not see them', () => {
    const { labelRates } = evaluation('good');
    const { perClass, scores } = labelRates.at(-1)!.clipMean;
    const areas = perClass.map(({ name, auroc }) => `${name}: area ${auroc.mean!.toFixed(2)}`);
    const lines = (['balancedAccuracy', 'auroc'] as const).map((key, i) => {
      const values = labelRates.map(
        ({ labelRate, clipMean }) => `${clipMean.scores[key].mean!.toFixed(2)} at ${100 * labelRate} %`,
      );
      return `${['balanced accuracy', 'AUROC, mean of classes'][i]!}: ${values.join(', ')}`;
    });
    const spoken = [...good.matchAll(/<svg[^>]* aria-label="([^"]*)"/g)].map(([, label]) => words(label!));
    expect(spoken).toContain(`ROC curves. ${areas.join('; ')}.`);
    expect(spoken).toContain(`Label efficiency. ${lines.join('; ')}.`);
    expect(spoken.find((label) => label.startsWith('Reliability'))).toContain(
      `Reliability diagram. Expected calibration error ${three(scores.ece.mean)}. At confidence`,
    );
    expect(words(good)).toContain(`normal, AUROC ${perClass[0]!.auroc.mean!.toFixed(2)}`);
  });

  test('the reliability diagram has the share right among answers of like confidence, all seeds together', () => {
    const { bins } = evaluation('good').settings;
    const answers = [0, 1, 2].flatMap(clipRows).map(({ truth, shares }) => {
      const confidence = Math.max(...shares);
      return { confidence, right: shares.indexOf(confidence) === truth };
    });
    const rows = Array.from({ length: bins }, (_, bin) => {
      const own = answers.filter(({ confidence }) => Math.ceil(confidence * bins) - 1 === bin);
      return [
        `${(bin / bins).toFixed(2)}–${((bin + 1) / bins).toFixed(2)}`,
        String(own.length),
        three(mean(own.map(({ confidence }) => confidence))),
        three(mean(own.map(({ right }) => (right ? 1 : 0)))),
      ];
    }).filter(([, count]) => count !== '0');
    expect(tableOf(good, 'Reliability in numbers').slice(1)).toEqual(rows);
    const spoken = [...good.matchAll(/At confidence (\d\.\d\d), (\d\.\d\d) right/g)];
    expect(spoken).toHaveLength(rows.length);
    spoken.forEach(([, ...numbers], i) => {
      for (const [j, number] of numbers.entries())
        expect(Math.abs(Number(number) - Number(rows[i]![2 + j]))).toBeLessThan(0.0056);
    });
  });

  test('curves of a fine-tuning are means over folds and seeds at the highest label rate', () => {
    const own = readEpochLog(at('good')).filter(({ labelRate }) => labelRate === 1);
    for (const [panel, values] of [['Loss', ['trainLoss', 'innerLoss']]] as const) {
      const rows = tableOf(good, `${panel} in numbers`).slice(1);
      expect(rows.map(([epoch]) => epoch)).toEqual(['1', '2', '3', '4', '5', '6']);
      rows.forEach((row, epoch) => {
        const here = own.filter((entry) => entry.epoch === epoch);
        expect(row.slice(1).map(Number)).toEqual(
          values.map((key) => Number(mean(here.map((entry) => entry[key]!)).toPrecision(4))),
        );
      });
    }
  });

  test('curves of a pretraining have what was logged on held-out clips, and rank', () => {
    const held = readLog(at('pretrained')).filter(({ kind }) => kind === 'validation');
    const rank = tableOf(pretrained, 'Effective rank of held-out features in numbers').slice(1);
    expect(rank).toEqual(
      held.map((entry) => [
        String(entry.step),
        String(Number((entry.kind === 'validation' ? entry.effectiveRank : NaN).toPrecision(4))),
      ]),
    );
    const loss = tableOf(pretrained, 'Loss in numbers');
    expect(loss[0]).toEqual(['optimizer step', 'training', 'held out']);
    for (const entry of held) {
      if (entry.kind !== 'validation') continue;
      const row = loss.find(([step]) => step === String(entry.step));
      expect(row?.[2]).toBe(String(Number(entry.loss.toPrecision(4))));
    }
  });

  test('Grad-CAM is told class by class, and the map clip by clip', () => {
    expect(tableOf(good, 'Grad-CAM by class').slice(1)).toEqual(
      CLASSES.map((name) => [name, '12', '90.0 %', '60.0 %']),
    );
    const points = tableOf(good, 'Clips on the map by class').slice(1);
    expect(points).toHaveLength(36);
    points.forEach(([clip, label, x, y], i) => {
      expect(clip).toBe(`clip-${String(i).padStart(2, '0')}`);
      expect(label).toBe(CLASSES[Math.floor(i / 2) % 3]);
      for (const [text, value] of [
        [x, Math.cos(i) * (i % 3)],
        [y, Math.sin(i)],
      ] as const)
        expect(Number(text!.replace('−', '-'))).toBeCloseTo(value, 3);
    });
  });
});

describe('what is said of a single rate, a single seed, and of nothing', () => {
  test('the share of labels is named where it is not the whole', async () => {
    expect(words(good)).toContain('Clips by mean probability. Confusion matrix');
    expect(words(good)).toContain('no independent evidence. Overall Score');
    await fixtureFinetune(at('half'), at('data'), { labelRates: [0.5], seeds: 1 });
    const half = words(await page('half'));
    expect(half).toContain('Clips by mean probability, 50 % of the training labels.');
    expect(half).toContain('Overall, with 50 % of the training labels');
    expect(half).not.toContain('Label efficiency');
    expect(half).not.toContain('Spread over seeds');
    expect(half).not.toContain('Thin: single seeds');
  });

  test('a file of an earlier version says that it was not held against a constant answer', async () => {
    const file = at('poor/metrics.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replaceAll(/"constantAnswer":\{"chance":[\d.]+,"above":\{[^}]*\}\},/g, ''));
    expect(words(await page('poor'))).toContain('An earlier version wrote this evaluation');
    writeFileSync(file, text);
    expect(words(await page('poor'))).not.toContain('An earlier version');
  });

  test('the methods text says where weights came from and what was seen of a clip', async () => {
    const text = words(await page('poor'));
    expect(text).toContain('with one linear layer on its pooled features, trained from random weights.');
    expect(text).toContain('In an epoch 4 frames (drawn anew) of each training clip were seen');
    const file = at('poor/config.json');
    const config = readFileSync(file, 'utf8');
    writeFileSync(file, config.replace(/("framesPerClip": \{\s*"train": )4/, '$11'));
    expect(words(await page('poor'))).toContain(
      'In an epoch 1 frame (drawn anew) of each training clip was seen',
    );
    writeFileSync(file, config);
  });

  test('heat in fields that leave room is told apart where some do and some do not', async () => {
    const file = at('good/explain/explain.json');
    const text = readFileSync(file, 'utf8');
    const partial = (clips: number): string =>
      text.replace(/"partial":\{"clips":36/, `"partial":{"clips":${clips}`);
    for (const [clips, told] of [
      [36, false],
      [0, false],
      [5, true],
    ] as const) {
      writeFileSync(file, partial(clips));
      const said = factsOf(await page('good')).get('Only clips whose field leaves room around it');
      expect(said, String(clips)).toBe(told ? '91.0 % of 5 clips; evenly spread 62.0 %' : undefined);
    }
    writeFileSync(file, text);
  });
});

describe('runs side by side', () => {
  test('have the scores of each', () => {
    const rows = tableOf(both, 'Scores of all runs');
    const rates = ['poor', 'good'].map((run) => evaluation(run).labelRates.at(-1)!);
    expect(rows.slice(0, 5)).toEqual([
      ['Score', 'poor', 'good'],
      ['Protocol', 'honest', 'honest'],
      ['Clips and groups', '36 of 18', '36 of 18'],
      ['Seeds', '3', '3'],
      ['Training labels', '100 %', '100 %'],
    ]);
    expect(rows.slice(5).map(([, ...cells]) => cells)).toEqual(
      OVERALL_SCORES.map((key) => rates.map(({ clipMean }) => cell(clipMean.scores[key]))),
    );
  });

  test('have paired differences and McNemar’s counts of every label rate, the highest first', async () => {
    const { labelRates } = await comparePredictions(
      readPredictions(at('good')),
      readPredictions(at('poor')),
      { names: ['good', 'poor'] },
    );
    const p = (value: number | null): string =>
      value === null ? '–' : value < 0.001 ? '< 0.001' : value.toFixed(3);
    const differences = tables(both, 'Paired differences in numbers');
    const counts = tables(both, 'McNemar’s test');
    expect([...labelRates].reverse().map(({ labelRate }) => labelRate)).toEqual([1, 0.25]);
    for (const [i, rate] of [...labelRates].reverse().entries()) {
      const { scores } = rate.clipMean;
      expect(differences[i]!.slice(1).map(([, ...cells]) => cells)).toEqual(
        OVERALL_SCORES.map((key) => {
          const one = scores[key];
          return [
            three(one.a),
            three(one.b),
            signed(one.mean),
            ends(one.interval),
            p(one.p),
            (one.perSeed ?? []).map(signed).join(', '),
          ];
        }),
      );
      const { perSeed, majority } = rate.mcnemar.clipMean;
      expect(counts[i]!.slice(1)).toEqual(
        [...perSeed, majority].map((one, seed) => [
          seed < 3 ? `seed ${seed}` : 'majority of seeds',
          ...[one.both, one.onlyA, one.onlyB, one.neither].map(String),
          p(one.exact),
          p(one.byGroup.p),
        ]),
      );
    }
  });

  test('have one picture of label efficiency, with the balanced accuracy of each', () => {
    const [head, ...rows] = tables(both, 'Label efficiency in numbers').find(
      ([first]) => first!.length === 3,
    )!;
    expect(head).toEqual(['Training labels', 'poor', 'good']);
    const [poor, better] = ['poor', 'good'].map((run) => evaluation(run).labelRates);
    expect(rows).toEqual(
      [0, 1].map((i) => [
        ['25 %', '100 %'][i],
        ...[poor!, better!].map((rates) => three(rates[i]!.clipMean.scores.balancedAccuracy.mean)),
      ]),
    );
  });

  test('are told apart by a whole sentence, over the page and over the tables', async () => {
    const { labelRates } = await comparePredictions(
      readPredictions(at('good')),
      readPredictions(at('poor')),
      { names: ['good', 'poor'] },
    );
    const { mean: gain, interval, p } = labelRates.at(-1)!.clipMean.scores.balancedAccuracy;
    const likely = p! < 0.001 ? '< 0.001' : `= ${p!.toFixed(3)}`;
    const sentence = `Balanced accuracy of good differs from that of poor by ${signed(gain)} (${ends(interval)}, p ${likely}). good is better in`;
    expect(said(both).split(sentence)).toHaveLength(3);
    expect(said(both)).toContain('For all other scores the interval holds zero.');
    const names = [
      'accuracy',
      'balanced acc.',
      'macro-F1',
      'kappa',
      'AUROC',
      'avg. precision',
      'ECE',
      'Brier',
    ];
    const differences = OVERALL_SCORES.map((key, i) => {
      const one = labelRates.at(-1)!.clipMean.scores[key];
      return `${names[i]!} ${signed(one.mean)}, interval ${ends(one.interval)}`;
    });
    expect(words(both.replaceAll(/<svg[^>]* aria-label="([^"]*)"/g, '$1 <'))).toContain(
      `Paired differences. ${differences.join('; ')}.`,
    );
    expect(said(both)).toContain('36 clips of 18 groups that both runs tested.');
  });

  test('of other clips are compared on those that both tested, and the page says what is left out', async () => {
    changedRun(at('good'), at('fewer'), {});
    const { cells, ...about } = readPredictions(at('good'));
    writePredictions(at('fewer/predictions.json'), {
      ...about,
      cells: cells.map((one) => ({ ...one, rows: one.rows.filter(({ clip }) => clip >= 4) })),
    });
    expect(said(await page('poor', 'fewer'))).toContain(
      '32 clips of 16 groups that both runs tested; left out: 0 of fewer and 4 of poor.',
    );
    expect(said(both)).not.toContain('left out: ');
  });

  test('of other seeds have the difference of means, and none seed by seed', async () => {
    await fixtureFinetune(at('single'), at('data'), { skill: 1, seeds: 1, labelRates: [1] });
    const [single, whole] = ['single', 'good'].map(
      (run) => evaluation(run).labelRates.at(-1)!.clipMean.scores,
    );
    const [rows] = tables(await page('good', 'single'), 'Paired differences in numbers');
    expect(rows!.slice(1).map((row) => [...row.slice(1, 4), row.at(-1)])).toEqual(
      OVERALL_SCORES.map((key) => {
        const [a, b] = [single![key].mean!, whole![key].mean!];
        return [three(a), three(b), signed(a - b), ''];
      }),
    );
  });

  test('are told apart in a sentence by the intervals that leave out zero, whichever way is better', async () => {
    const { labelRates } = await comparePredictions(
      readPredictions(at('good')),
      readPredictions(at('poor')),
      { names: ['good', 'poor'] },
    );
    const spoken = ['accuracy', 'balanced accuracy', 'macro-F1', 'Cohen’s κ', 'mean AUROC'].concat(
      'mean average precision',
      'calibration error',
      'Brier score',
    );
    const ahead = (sign: 1 | -1): readonly string[] =>
      OVERALL_SCORES.flatMap((key, i) => {
        const [low, high] = labelRates.at(-1)!.clipMean.scores[key].interval!;
        const direction = Math.sign(low) === Math.sign(high) ? Math.sign(low) : 0;
        return direction * (key === 'ece' || key === 'brier' ? -1 : 1) === sign ? [spoken[i]!] : [];
      });
    const text = words(both);
    for (const [name, better] of [
      ['good', ahead(1)],
      ['poor', ahead(-1)],
    ] as const) {
      if (better.length === 0) expect(text).not.toContain(`${name} is better in`);
      else
        expect(text).toContain(
          `${name} is better in ${better.length === 1 ? better[0]! : `${better.slice(0, -1).join(', ')} and ${better.at(-1)!}`}.`,
        );
    }
    expect(ahead(1).length).toBeGreaterThan(3);
  });

  test('have the last numbers of pretraining runs', () => {
    const log = readLog(at('pretrained'));
    const step = log.findLast((entry) => entry.kind === 'step')!;
    const held = log.findLast((entry) => entry.kind === 'validation')!;
    expect(tableOf(both, 'Pretraining runs side by side')[1]).toEqual([
      'pretrained',
      'USCL',
      '50',
      three(step.loss),
      three(held.loss),
      three(measured(held, 'alignment')),
      three(measured(held, 'uniformity')),
      three(measured(held, 'pairAccuracy')),
      String(held.effectiveRank),
    ]);
    expect(tableOf(pretrained, 'Clips by role').slice(1)).toEqual([
      ['training', '28', '0'],
      ['validation', '8', '0'],
      ['unused', '0', '0'],
    ]);
  });

  test('say which part of which split a pretraining kept out', async () => {
    expect(factsOf(pretrained).get('Split kept out')).toBe('none');
    fixturePretrain(at('apart'), at('data'), { set: ['data.split=main', 'data.keepOut=test'] });
    expect(factsOf(await page('apart')).get('Split kept out')).toBe('part “test” of “main”');
  });
});
