/** Methods in runs: what every one of them keeps to, and what one from outside that does not is told. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Method, MethodBatch, MethodGiven, OpenMethod } from '../../src/methods/method.ts';
import { allMethods, installMethod } from '../../src/methods/registry.ts';
import { uscl } from '../../src/methods/uscl.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { measured, readLog } from '../../src/runs/log.ts';
import { readRunConfig } from '../../src/runs/run-folder.ts';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import { errorOf, scratchFolder, TINY, tinyDataset } from './support.ts';

const scratch = scratchFolder();
const dataset = await tinyDataset(join(scratch, 'clips'), { clips: 12 });
let runs = 0;
const fresh = (): string => join(scratch, `run${runs++}`);

/** Settings of a tiny run of any method: those of USCL's head where it has them. */
const tiny = (method: string, ...set: readonly string[]) => ({
  set: [
    ...TINY.filter((one) => method === 'uscl' || !one.startsWith('method.')),
    `method.name=${method}`,
    ...set,
  ],
});

const lastOf = (run: string) => readCheckpoint(join(run, 'checkpoints', 'last.safetensors')).tensors;

describe.each(allMethods().map((method) => [method.name, method] as const))('%s', (name, method) => {
  test('logs its loss and every measurement it declares, of held-out clips too, and nothing else', async () => {
    const run = fresh();
    await pretrain({ dataset, out: run, config: tiny(name, 'training.epochs=2') });
    const log = readLog(run);
    const lines = readFileSync(join(run, 'log.jsonl'), 'utf8').split('\n');
    const of = (kind: string): readonly string[] =>
      Object.keys(JSON.parse(lines.find((line) => line.startsWith(`{"kind":"${kind}"`))!) as object);
    const common = ['kind', 'step', 'epoch', 'time', 'loss'];
    const costs = ['learningRate', 'gradientNorm', 'pairs', 'seconds', 'pairsPerSecond', 'dataWaitShare'];
    const declared = method.measurements.map((one) => one.name);
    const heldOut = method.measurements.filter((one) => one.heldOut === true).map((one) => one.name);
    expect(of('step')).toEqual([...common, ...declared, ...costs, 'memory']);
    expect(of('validation')).toEqual([...common, ...heldOut, 'effectiveRank']);
    for (const entry of log)
      for (const one of entry.kind === 'step' ? declared : heldOut)
        expect(Number.isFinite(measured(entry, one)), `${entry.kind} ${one}`).toBe(true);
    expect(existsSync(join(run, 'checkpoints', 'best.safetensors'))).toBe(method.chooses !== null);
  });

  test('ends in the same bits after a stop at any step, whatever it keeps between steps', async () => {
    const whole = fresh();
    const config = tiny(name, 'training.epochs=2', 'training.accumulate=1');
    const { steps } = await pretrain({ dataset, out: whole, config });
    const stopped = fresh();
    for (let at = 1; at < steps; at++) {
      const stop = new AbortController();
      await pretrain({
        ...{ dataset, out: stopped, config, resume: true, signal: stop.signal },
        onEvent: (event) => {
          if (event.kind === 'step' && event.entry.step === at) stop.abort();
        },
      });
    }
    await pretrain({ dataset, out: stopped, config, resume: true });
    const [expected, found] = [lastOf(whole), lastOf(stopped)];
    expect([...found.keys()]).toEqual([...expected.keys()]);
    for (const [tensor, { data }] of expected)
      expect(Buffer.from(found.get(tensor)!.data.buffer).equals(Buffer.from(data.buffer)), tensor).toBe(true);
  });

  test('has presets that resolve, and a sentence that cites its source', () => {
    for (const preset of Object.keys(method.presets))
      expect(resolveConfig({ preset, set: [`method.name=${name}`] }).method.name).toBe(name);
    const cited: string[] = [];
    const said = method.describe(
      {},
      {
        labelsRead: false,
        view: resolveConfig({}).view,
        cite: ({ text }) => `[${cited.push(text)}]`,
      },
    );
    expect(said).toMatch(/^by .*\.$/s);
    expect(cited[0]).toBe(method.reference.text);
  });

  test('has every option in docs/methods.md with its default', () => {
    const text = readFileSync(new URL('../../docs/methods.md', import.meta.url), 'utf8');
    const rows = new Map(
      [...text.matchAll(/^\| `(method\.[\w.]+)` *\| `(.+?)` *\|/gm)].map(([, key, value]) => [key!, value!]),
    );
    expect(text).toContain(`(\`${name}\`)`);
    const leaves = (value: unknown, path: string): readonly (readonly [string, unknown])[] =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`))
        : [[path, value]];
    const section = text.slice(text.indexOf(`(\`${name}\`)`));
    for (const [key, value] of leaves(method.options.parse({}), 'method')) {
      expect(rows.has(key), key).toBe(true);
      const written = Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
      expect(section).toMatch(new RegExp(`\\| \`${escaped(key)}\` *\\| \`${escaped(written)}\` *\\|`));
    }
  });
});

const escaped = (text: string): string => text.replaceAll(/[.[\]]/g, String.raw`\$&`);

/** USCL's declaration under a name of its own, with parts that are wrong. */
function broken(name: string, parts: Partial<Method>): Method {
  return { ...uscl, name, ...parts };
}

/** The same with something wrong in what `open` returns. */
function opening(name: string, wrong: (open: OpenMethod) => Partial<OpenMethod>): Method {
  return broken(name, {
    open: (options, given) => {
      const open = uscl.open(options, given);
      return { ...open, ...wrong(open) };
    },
  });
}

const refused = (method: Method, out = fresh()) =>
  errorOf(() => pretrain({ dataset, out, method, config: { set: [...TINY, 'training.epochs=1'] } }));

describe('a method from outside', () => {
  test('is trained, scored and gone on with like one of this project', async () => {
    const run = fresh();
    const method = broken('outside', { title: 'Outside' });
    await pretrain({ dataset, out: run, method, config: { set: [...TINY, 'training.epochs=1'] } });
    expect(readRunConfig(run).method.name).toBe('outside');
    const { complete } = await pretrain({ dataset, out: run, resume: true });
    expect(complete).toBe(true);
  });

  test('knows of each clip its patient and the dataset it was merged from, and of a step how far the run is', async () => {
    const others = await tinyDataset(join(scratch, 'others'), { clips: 8, groupSize: 4, labelOf: () => 'b' });
    const merged = join(scratch, 'merged');
    await mergeDatasets({ datasets: [dataset, others], out: merged, prefixes: ['near', 'far'] });
    using opened = openDataset(merged);
    const { clips } = opened;
    const seen: MethodBatch[] = [];
    const updates: number[] = [];
    let sources: MethodGiven['sources'] = [];
    const method = broken('listens', {
      open: (options, given) => {
        sources = given.sources;
        const open = uscl.open(options, given);
        return {
          ...open,
          losses: (batch) => (seen.push(batch), open.losses(batch)),
          afterUpdate: (_online, _target, progress) => void updates.push(progress),
        };
      },
    });
    const config = { set: [...TINY, 'training.epochs=2', 'training.accumulate=2', 'batch.size=4'] };
    const out = fresh();
    const { steps } = await pretrain({ dataset: merged, out, method, config });
    expect(sources).toEqual([
      { name: 'near', classes: [0, 1] },
      { name: 'far', classes: [1] },
    ]);
    for (const { views } of seen)
      for (const { clips: rows, groups, sources: of } of views)
        for (const [i, clip] of rows.entries()) {
          expect(of[i]).toBe(clips[clip]!.id.startsWith('near/') ? 0 : 1);
          for (const [j, other] of rows.entries())
            expect(groups[i] === groups[j]).toBe(clips[clip]!.group === clips[other]!.group);
        }
    const behind = Array.from({ length: steps }, (_, step) => step / steps);
    expect(updates).toEqual(behind);
    const inTraining = seen.filter(({ training }) => training).map(({ progress }) => progress);
    expect(inTraining.length).toBeGreaterThan(steps);
    expect([...new Set(inTraining)]).toEqual(behind);
    const heldOut = seen.filter(({ training }) => !training).map(({ progress }) => progress);
    expect([...new Set(heldOut)]).toEqual([0.5, 1]);
    // A run that goes on is as far as it was.
    const parted = fresh();
    const [whole] = [updates.splice(0)];
    const stop = new AbortController();
    const onEvent = ({ kind }: { readonly kind: string }): void => {
      if (kind === 'step') stop.abort();
    };
    await pretrain({ dataset: merged, out: parted, method, config, onEvent, signal: stop.signal });
    await pretrain({ dataset: merged, out: parted, resume: true });
    expect(updates).toEqual(whole);
  });

  test.each([
    ['a name with blanks', { name: 'My method' }, 'name'],
    ['no summary', { summary: '' }, 'summary'],
    ['options that are no schema', { options: { temperature: 1 } }, 'options'],
    ['no default preset', { presets: {} }, 'presets'],
    [
      'an option without a default',
      { options: z.object({ depth: z.int() }) },
      'options.depth: must have a default',
    ],
    [
      'an option where the name of the method stands',
      { options: z.object({ name: z.string().default('mine') }) },
      'options.name: is a key of every configuration',
    ],
    [
      'an option where the hash of its file stands',
      { options: z.object({ sha256: z.string().default('') }) },
      'options.sha256: is a key of every configuration',
    ],
    [
      'a measurement twice',
      { measurements: [...uscl.measurements, { name: 'correct', over: 'sum' }] },
      '"correct" is named twice',
    ],
    [
      'a measurement that every log has',
      { measurements: [{ name: 'seconds', over: 'mean' }], charts: [] },
      '"seconds"',
    ],
    ['a chart of nothing', { measurements: [] }, 'is no measurement'],
    [
      'a choice by what is not measured',
      { chooses: { by: 'contrastive', better: 'lower' } },
      '"contrastive"',
    ],
    ['no function to open it', { open: 'later' }, 'open'],
  ])('with %s is refused by that part', async (_, parts, said) => {
    const error = await errorOf(() =>
      installMethod({ ...uscl, name: 'wrong', ...parts }, { where: 'wrong.js' }),
    );
    expect(error).toMatchObject({ code: 'METHOD_INVALID', kind: 'usage', where: 'wrong.js' });
    expect(error.message).toContain(said);
    expect(error.remedy).toContain('defineMethod');
  });

  test.each([[null], [42], [{}], ['uscl']])('that is %j is none', async (value) => {
    expect(await errorOf(() => installMethod(value))).toMatchObject({ code: 'METHOD_INVALID' });
  });

  test('cannot take the name of one of this project', async () => {
    const error = await errorOf(() => installMethod({ ...uscl, title: 'Mine' }));
    expect(error).toMatchObject({ code: 'METHOD_NAME_TAKEN' });
    expect(error.message).toContain('"uscl"');
  });

  test('that throws is told by its name and part, before anything is written', async () => {
    const out = fresh();
    const fail = (): never => {
      throw new RangeError('no such thing');
    };
    for (const [part, method] of [
      ['open', broken('throws-open', { open: fail })],
      ['readsLabels', broken('throws-labels', { readsLabels: fail })],
    ] as const) {
      const error = await refused(method, out);
      expect(error).toMatchObject({ code: 'METHOD_FAILED', where: `method ${method.name}` });
      expect(error.message).toContain(`failed in ${part}: no such thing`);
      expect(error.cause).toBeInstanceOf(RangeError);
    }
    expect(existsSync(out)).toBe(false);
    const late = await refused(opening('throws-late', () => ({ losses: fail })));
    expect(late.message).toContain('failed in losses');
    const after = await refused(opening('throws-after', () => ({ afterUpdate: fail })));
    expect(after.message).toContain('failed in afterUpdate');
  });

  test.each([
    ['nothing', () => undefined, '"loss"'],
    ['a text', () => ({ loss: 'low' }), '"loss"'],
    ['a measurement less', () => ({ loss: 1 }), '"contrastive"'],
    ['another measurement', () => ({ ...values(), surprise: 1 }), '"surprise", which it does not declare'],
  ])('that returns %s is told which number is wrong', async (_, result, said) => {
    const error = await refused(
      opening('returns', () => ({ losses: ((batch) => (filled(batch), result())) as OpenMethod['losses'] })),
    );
    expect(error).toMatchObject({ code: 'METHOD_RESULT' });
    expect(error.message).toContain(said);
    expect(error.remedy).toContain('loss, contrastive, supervised');
  });

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'expected object'],
    ['no streams', { online: {} }, 'streams'],
    ['a stream without a count', { streams: [{ clips: 'training', views: 'pair' }] }, 'streams.0.count'],
    [
      'views by another name',
      { streams: [{ clips: 'training', count: 4, views: 'triple' }] },
      'streams.0.views',
    ],
    ['no online network', { streams: [] }, 'online'],
    ['state that is no array', { state: { queue: [1, 2] } }, 'state.queue'],
  ])('whose open returns %s is told which part', async (_, part, said) => {
    const method = broken('returns-open', {
      open: (options, given) => {
        const open = uscl.open(options, given);
        if (part === undefined) return part as unknown as OpenMethod;
        const { online, ...rest } = open;
        const parts = { ...rest, ...(said === 'online' ? {} : { online }), ...(part as object) };
        return (said === 'streams' ? { online } : parts) as unknown as OpenMethod;
      },
    });
    const error = await refused(method);
    expect(error).toMatchObject({ code: 'METHOD_INVALID', where: 'method returns-open' });
    expect(error.message).toContain(said);
  });

  test('that throws is told where, by the innermost line of its own', async () => {
    const error = await refused(
      opening('throws-where', () => ({
        losses: () => {
          throw new RangeError('one dot.');
        },
      })),
    );
    expect(error.message).toBe('The method "throws-where" failed in losses: one dot.');
    expect(error.remedy).toMatch(/at methods\.test\.ts:\d+:\d+\.$/);
  });

  test('that forgets a gradient is told of which output', async () => {
    const error = await refused(
      opening('forgets', ({ losses }) => ({
        losses: (batch) =>
          losses({
            ...batch,
            gradient: (name) =>
              name === OUTPUTS.features ? new Float32Array(batch.output(name).length) : batch.gradient(name),
          }),
      })),
    );
    expect(error).toMatchObject({ code: 'METHOD_GRADIENT' });
    expect(error.message).toContain('"features"');
    expect(error.remedy).toContain("batch.gradient('features')");
  });

  test('that fills a gradient with what is no number is told of which output, and where', async () => {
    const error = await refused(
      opening('spoils', ({ losses }) => ({
        losses: (batch) => {
          const found = losses(batch);
          if (batch.training) batch.gradient(OUTPUTS.projection)[1] = Number.NaN;
          return found;
        },
      })),
    );
    expect(error).toMatchObject({ code: 'METHOD_GRADIENT', where: 'method spoils' });
    expect(error.message).toContain(
      `fills the gradient of "${OUTPUTS.projection}" with NaN at row 0, feature 1`,
    );
  });

  /** Asks for what there is not in the losses of training or of held-out batches, with a target of the projection alone. */
  const asking = (ask: (batch: MethodBatch) => unknown, training: boolean): Method =>
    opening('asks', ({ online, losses }) => ({
      target: { ...online, network: { ...online.network, outputs: [OUTPUTS.projection] } },
      losses: (batch) => {
        if (batch.training === training) ask(batch);
        return losses(batch);
      },
    }));

  const ofOnline = `the online network are ${Object.values(OUTPUTS).join(', ')}`;

  test.each<[string, (batch: MethodBatch) => unknown, string]>([
    ['an output', ({ output }) => output('nope'), ofOnline],
    ['a gradient', ({ gradient }) => gradient('nope'), ofOnline],
    ['a target', ({ target }) => target('nope'), `the target network are ${OUTPUTS.projection}`],
  ])(
    'that asks for %s that there is not is told which there are, and where it asks',
    async (_, ask, said) => {
      for (const training of [true, false]) {
        const error = await refused(asking(ask, training));
        expect(error).toMatchObject({ code: 'METHOD_FAILED', where: 'method asks' });
        expect(error.message).toBe(
          `The method "asks" failed in losses: The outputs of ${said}; there is no "nope".`,
        );
        expect(error.remedy).toMatch(/at methods\.test\.ts:\d+:\d+\.$/);
      }
    },
  );

  test('that reads a target and has no target network is told so', async () => {
    const error = await refused(
      opening('aimless', () => ({ losses: ({ target }) => ({ loss: target('nope')[0]! }) })),
    );
    expect(error).toMatchObject({ code: 'METHOD_FAILED', where: 'method aimless' });
    expect(error.message).toContain('There is no target network to read "nope" from');
  });

  const repeated = { clips: 'labelled', count: 2, views: [frameView(0)] } as const;

  test.each<[string, (open: OpenMethod) => Partial<OpenMethod>, string, string]>([
    [
      'more frames than any clip has',
      () => ({ streams: [{ clips: 'training', count: 4, views: [frameView(4), frameView(0)] }] }),
      'asks for 5 different frames of a clip; the longest training clip has 4',
      'Ask for fewer frames',
    ],
    [
      'no view',
      () => ({ streams: [{ clips: 'training', count: 4, views: [] }] }),
      'has a stream with no view',
      'Give each stream a view',
    ],
    [
      'a view that no stream makes',
      ({ online }) => ({ online: { ...online, views: [0, 2] } }),
      'lets its online network see view 2, but its streams make 2 views',
      'from 0 to 1',
    ],
    [
      'no stream of training clips',
      () => ({ streams: [] }),
      'has no first stream of training clips',
      "clips are 'training'",
    ],
    [
      'batches of another size',
      () => ({ streams: [{ clips: 'training', count: 3, views: 'pair' }] }),
      'has a first stream of 3 clips a batch; this run has batches of 4',
      'batchSize',
    ],
    [
      'an online network that sees nothing',
      ({ online }) => ({ online: { ...online, views: [] } }),
      'lets its online network see no view of its first stream',
      'one of views 0 to 1',
    ],
    [
      'an online network that sees no view of held-out clips',
      ({ online, streams }) => ({ online: { ...online, views: [2] }, streams: [...streams, repeated] }),
      'lets its online network see no view of its first stream',
      'one of views 0 to 1',
    ],
    [
      'a target network that sees no view of held-out clips',
      ({ online, streams }) => ({ target: { ...online, views: [2] }, streams: [...streams, repeated] }),
      'lets its target network see no view of its first stream',
      'held-out clips',
    ],
    [
      'a network without features',
      ({ online }) => ({
        online: { ...online, network: { ...online.network, outputs: [OUTPUTS.projection] } },
      }),
      'does not expose "features"',
      '"features"',
    ],
  ])('that asks for %s is refused before anything is written', async (_, wrong, said, way) => {
    const out = fresh();
    const error = await refused(opening('views', wrong), out);
    expect(error).toMatchObject({ code: 'METHOD_VIEWS', where: 'method views' });
    expect(error.message).toContain(`The method "views" ${said}`);
    expect(error.remedy).toContain(way);
    expect(existsSync(out)).toBe(false);
  });

  test('that needs labels is refused where none may be read', async () => {
    const method = broken('needs-labels', { needsLabels: true });
    const error = await errorOf(() =>
      pretrain({ dataset, out: fresh(), method, config: { set: [...TINY, 'data.labelRate=0'] } }),
    );
    expect(error).toMatchObject({ code: 'METHOD_LABELS' });
    expect(error.remedy).toContain('data.labelRate');
  });

  test.each([NaN, Infinity, -Infinity])('whose loss is %d is stopped as any training is', async (loss) => {
    const method = opening('overflows', ({ losses }) => ({
      losses: (batch) => ({ ...losses(batch), loss, contrastive: loss }),
    }));
    const error = await refused(method);
    expect(error).toMatchObject({ code: 'NON_FINITE', kind: 'numeric' });
    expect(error.message).toContain(`The loss is ${loss}`);
    expect(error.where).toContain('step 1, epoch 0, clips clip');
  });

  test('keeps its state through a step that fails', async () => {
    const counter = new Float32Array(1);
    let calls = 0;
    const method = opening('counts', ({ losses }) => ({
      state: { counter },
      losses: (batch) => {
        if (batch.training) counter[0]!++;
        const found = losses(batch);
        return ++calls === 2 ? { ...found, loss: NaN } : found;
      },
    }));
    expect(await refused(method)).toMatchObject({ code: 'NON_FINITE' });
    expect(counter[0]).toBe(1);
  });
});

test('a run whose method is not installed says so, and is read again once it is', async () => {
  const run = fresh();
  const method = broken('gone', {});
  await pretrain({ dataset, out: run, method, config: { set: [...TINY, 'training.epochs=1'] } });
  const config = join(run, 'config.json');
  const text = readFileSync(config, 'utf8').replace('"gone"', '"never-installed"');
  const parsed = z.object({ method: z.object({ name: z.string() }) }).parse(JSON.parse(text));
  expect(parsed.method.name).toBe('never-installed');
  writeFileSync(config, text);
  const error = await errorOf(() => readRunConfig(run));
  expect(error).toMatchObject({ code: 'METHOD_MISSING', kind: 'usage' });
  expect(error.message).toContain('"never-installed"');
  expect(error.remedy).toContain('--method FILE');
  installMethod({ ...method, name: 'never-installed' });
  expect(readRunConfig(run).method.name).toBe('never-installed');
});

function frameView(frame: number) {
  return { frame, augment: resolveConfig({}).view.augment };
}

function values(): Readonly<Record<string, number>> {
  return Object.fromEntries(['loss', ...uscl.measurements.map(({ name }) => name)].map((name) => [name, 1]));
}

function filled(batch: MethodBatch): void {
  for (const name of [OUTPUTS.features, OUTPUTS.projection, OUTPUTS.logits]) batch.gradient(name).fill(0);
}
