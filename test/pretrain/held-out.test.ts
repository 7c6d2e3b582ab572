/** Held-out clips that are scored by their labels: which ones, all at once, in the order of their views. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { installMethod } from '../../src/methods/registry.ts';
import type { Method, MethodBatch, OpenMethod } from '../../src/methods/method.ts';
import { simclr } from '../../src/methods/simclr.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { scoreHeldOut } from '../../src/pretrain/held-out.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import { openMethod } from '../../src/trainer/methods/open-method.ts';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { provenanceSchema } from '../../src/runs/provenance.ts';
import { measured, readLog } from '../../src/runs/log.ts';
import { splitClips } from '../../src/runs/training-clips.ts';
import { openTested, settingsOf, VENDOR } from '../backend.ts';
import { failureOf } from '../failures.ts';
import { scratchFolder, TINY, tinyDataset } from './support.ts';

const scratch = scratchFolder();
/** Of three clips one is of class b. */
const dataset = await tinyDataset(join(scratch, 'clips'), {
  clips: 24,
  labelOf: (clip) => (clip % 3 === 0 ? 'b' : 'a'),
});
const HALF = [...TINY, 'data.validation.fraction=0.5', 'training.epochs=1'];

/** SimCLR that is told labels of held-out clips where `scoresLabel` says so; hands on what it sees. */
function asking(
  name: string,
  scoresLabel: OpenMethod['scoresLabel'],
  see: (batch: MethodBatch) => void = () => undefined,
): Method {
  return {
    ...{ ...simclr, name, readsLabels: () => true },
    open: (options, given) => {
      const open = simclr.open(options, given);
      const losses = (batch: MethodBatch) => (see(batch), open.losses(batch));
      return { ...open, losses, ...(scoresLabel === undefined ? {} : { scoresLabel }) };
    },
  };
}

/** What a run's method sees of held-out clips. */
async function heldOutOf(scoresLabel: OpenMethod['scoresLabel'], ...set: readonly string[]) {
  const seen: MethodBatch[] = [];
  const out = join(scratch, `run ${runs++}`);
  const method = asking('asks', scoresLabel, (batch) => void seen.push(batch));
  await pretrain({ dataset, out, method, config: { set: [...HALF, ...set] } });
  return { out, seen, heldOut: seen.filter(({ training }) => !training) };
}
let runs = 0;

const rolesOf = (run: string) =>
  provenanceSchema.parse(JSON.parse(readFileSync(join(run, 'dataset.json'), 'utf8'))).clips;

describe('a method that scores labels', () => {
  test('sees those held-out clips that it names in one batch, with their labels', async () => {
    const { out, heldOut, seen } = await heldOutOf((label, source) => label === 1 && source === 0);
    expect(heldOut).toHaveLength(1);
    const [first, second] = heldOut[0]!.views;
    const roles = rolesOf(out);
    const wanted = [...roles.keys()].filter((clip) => roles[clip]!.role === 'validation' && clip % 3 === 0);
    expect(wanted.length).toBeGreaterThan(2);
    expect(first!.clips).toEqual(wanted);
    expect(second!.clips).toEqual(wanted);
    expect([...first!.labels]).toEqual(wanted.map(() => 1));
    const trained = seen.filter(({ training }) => training).flatMap(({ views }) => views[0]!.clips);
    expect(trained.some((clip) => wanted.includes(clip))).toBe(false);
    // What chose a checkpoint is recorded as read.
    const read = [...roles.keys()].filter(
      (clip) => roles[clip]!.role === 'validation' && roles[clip]!.labelled,
    );
    expect(read).toEqual(wanted);
  });

  test('sees as many as data.labelRate says, fewer ones among more', async () => {
    const of = async (rate: number): Promise<readonly number[]> => {
      const { heldOut } = await heldOutOf(() => true, `data.labelRate=${rate}`);
      return heldOut[0]!.views[0]!.clips;
    };
    const [all, half] = [await of(1), await of(0.5)];
    expect(half).toHaveLength(Math.round(all.length / 2));
    expect(half.every((clip) => all.includes(clip))).toBe(true);
  });

  test('sees none where fewer than two may be read, and nothing chooses a checkpoint', async () => {
    const { out, heldOut } = await heldOutOf(() => false);
    expect(heldOut).toEqual([]);
    expect(readLog(out).some(({ kind }) => kind === 'validation')).toBe(false);
    const none = await heldOutOf(() => true, 'data.labelRate=0.08');
    expect(none.heldOut).toEqual([]);
  });

  test('is told by its name where it fails to say which', async () => {
    const fails = asking('fails', () => {
      throw new RangeError('no such label');
    });
    const out = join(scratch, 'fails');
    expect(await failureOf(pretrain({ dataset, out, method: fails, config: { set: HALF } }))).toMatchObject({
      code: 'METHOD_FAILED',
      where: 'method fails',
    });
  });

  test('without which no label of held-out clips is read, batch by batch', async () => {
    const { out, heldOut } = await heldOutOf(undefined);
    const clips = heldOut.flatMap(({ views }) => views[0]!.clips);
    expect(heldOut.length).toBeGreaterThan(1);
    expect(clips).toHaveLength(rolesOf(out).filter(({ role }) => role === 'validation').length);
    for (const { views } of heldOut) expect(views[0]!.labels.every((label) => label === -1)).toBe(true);
    expect(rolesOf(out).some(({ role, labelled }) => role === 'validation' && labelled)).toBe(false);
  });
});

describe('clips that are scored at once', () => {
  /** Every output of online and target network, and the clips, of the one batch that is scored. */
  async function outputsOf(batchSize: number, scoresLabel?: OpenMethod['scoresLabel']) {
    const seen: MethodBatch[] = [];
    const plain = asking('batched', scoresLabel, (batch) => void seen.push(batch));
    const method: Method = {
      ...plain,
      open: (options, given) => {
        const open = plain.open(options, given);
        const target = { network: { ...open.online.network, outputs: [OUTPUTS.projection] }, views: [1] };
        return { ...open, target };
      },
    };
    installMethod(method);
    using opened = openDataset(dataset);
    const config = resolveConfig({ method: 'batched', set: [...HALF, `batch.size=${batchSize}`] });
    const { clips, manifest } = opened;
    const split = splitClips(clips, manifest.classes, config.data, config.seed);
    const run = { dataset: opened, config, opened: openMethod({ config, dataset: opened }, split) };
    using backend = openTested();
    using network = new MethodNetwork({ backend, ...run });
    const scored = await scoreHeldOut({ ...run, network }, 0, 1);
    const [batch] = seen;
    expect(seen).toHaveLength(1);
    return {
      ...{ scored, clips: batch!.views[0]!.clips },
      outputs: [
        batch!.output(OUTPUTS.features),
        batch!.output(OUTPUTS.projection),
        batch!.target(OUTPUTS.projection),
      ].map((output) => output.slice()),
      wrong: () => batch!.target(OUTPUTS.features),
    };
  }

  test('are in the same places whatever the batches they went through the networks in, the last of one clip too', async () => {
    // All clips have labels: a batch of all held-out ones, scored as any batch is, has the same clips.
    const whole = await outputsOf(24);
    const parts = await outputsOf(11, () => true);
    const { length } = whole.clips;
    expect(length % 11).toBe(1);
    expect(parts.clips).toEqual(whole.clips);
    for (const [i, output] of whole.outputs.entries()) {
      expect(parts.outputs[i]!.length).toBe(output.length);
      expect([...parts.outputs[i]!]).toEqual([...output]);
    }
    const [features] = whole.outputs;
    expect(features!.subarray(0, features!.length / 2)).not.toEqual(features!.subarray(features!.length / 2));
    expect(parts.scored!.loss).toBe(whole.scored!.loss);
    expect(whole.wrong).toThrow('The outputs of the target network are projection.2; there is no "features"');
  });
});

describe('supervised learning on merged datasets', () => {
  test('has a head for each, chooses by held-out balanced accuracy, and learns what the heads tell apart', async () => {
    const along = (label: string, other: string) => (clip: number) => (clip % 2 === 0 ? label : other);
    const first = await tinyDataset(join(scratch, 'one'), { clips: 30, size: 32, labelOf: along('a', 'b') });
    const second = await tinyDataset(join(scratch, 'two'), {
      ...{ clips: 30, size: 34 },
      labelOf: along('b', 'a'),
    });
    const merged = join(scratch, 'merged');
    await mergeDatasets({ datasets: [first, second], out: merged, prefixes: ['one', 'two'] });
    const out = join(scratch, 'supervised');
    await pretrain({
      ...{ dataset: merged, out, method: 'supervised' },
      config: {
        set: [
          ...TINY.filter((one) => !one.startsWith('method.')),
          ...['view.size=32', 'view.augment.preset=none', 'model.width=8', 'data.validation.fraction=0.3'],
          ...['training.epochs=16', 'batch.size=8', 'optimizer.learningRate=0.002', 'seed=2'],
          ...settingsOf(VENDOR),
        ],
      },
    });
    const { tensors } = readCheckpoint(join(out, 'checkpoints', 'last.safetensors'));
    expect(tensors.get('classifier.weight')!.shape).toEqual([4, 64]);
    const scores = readLog(out)
      .filter(({ kind }) => kind === 'validation')
      .map((entry) => measured(entry, 'balancedAccuracy')!);
    const { best } = readCheckpoint(join(out, 'checkpoints', 'best.safetensors'));
    expect(best!.score).toBe(Math.max(...scores));
    // Stripes along and across mean the opposite in the two datasets: what tells them apart by pictures alone is right of half.
    const last = scores.slice(-4);
    expect(last.reduce((sum, score) => sum + score, 0) / last.length).toBeGreaterThan(0.85);
  });
});
