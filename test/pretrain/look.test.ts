/** A look before the step, and weights of a target that a run leaves: what the networks see, what is saved, what goes on. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Losses, LookedBatch, Method, MethodBatch, OpenMethod } from '../../src/methods/method.ts';
import { simclr } from '../../src/methods/simclr.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { followParameters } from '../../src/models/moving-average.ts';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { failureOf } from '../failures.ts';
import { scratchFolder, TINY, tinyDataset } from './support.ts';

const scratch = scratchFolder();
const dataset = await tinyDataset(join(scratch, 'clips'), { clips: 12 });

function withParts(name: string, parts: (open: OpenMethod) => Partial<OpenMethod>): Method {
  return {
    ...{ ...simclr, name },
    open: (options, given) => {
      const open = simclr.open(options, given);
      return { ...open, ...parts(open) };
    },
  };
}

async function run(method: Method, ...set: readonly string[]) {
  const out = join(scratch, `${method.name} ${runs++}`);
  await pretrain({ dataset, out, method, config: { set: [...TINY, 'training.epochs=2', ...set] } });
  return readCheckpoint(join(out, 'checkpoints', 'last.safetensors')).tensors;
}
let runs = 0;

describe('a look before the step', () => {
  test('sees the views that it asks for by the network in training, once a batch of training, numbered on', async () => {
    const seen: { readonly look: Float32Array; readonly step: Float32Array[] }[] = [];
    const numbers: number[] = [];
    const method = withParts('looks', ({ online, losses }) => ({
      look: {
        ...{ ...online, views: [1] },
        change: ({ output, number, views, images }: LookedBatch) => {
          numbers.push(number);
          expect(images.length).toBe(2 * views[0]!.clips.length * 256);
          seen.push({ look: output(OUTPUTS.features).slice(), step: [] });
        },
      },
      losses: (batch: MethodBatch): Losses => {
        if (batch.training) seen.at(-1)!.step.push(batch.output(OUTPUTS.features).slice());
        return losses(batch);
      },
    }));
    // With accumulation no update comes between the look and the batch, nor between batches of a step.
    const found = await run(method, 'training.accumulate=2', 'batch.size=3');
    expect(numbers).toEqual(numbers.map((_, i) => i));
    for (const { look, step } of seen) {
      // Batch statistics of a view by itself are those of the step, where each view is a batch of its own.
      expect(step).toHaveLength(1);
      expect([...look]).toEqual([...step[0]!.subarray(step[0]!.length / 2)]);
    }
    // A look that changes nothing leaves no trace: not in weights, not in running statistics.
    const plain = await run(
      withParts('plain', () => ({})),
      'training.accumulate=2',
      'batch.size=3',
    );
    expect([...found.keys()]).toEqual([...plain.keys()]);
    for (const [name, { data }] of plain) expect(found.get(name)!.data, name).toEqual(data);
  });

  test('changes what the networks of the step see', async () => {
    const seen: Float32Array[] = [];
    const method = withParts('swaps', ({ online, losses }) => ({
      look: {
        ...online,
        // Both views of all clips show the second one.
        change: ({ images }: LookedBatch) => {
          images.copyWithin(0, images.length / 2);
        },
      },
      losses: (batch: MethodBatch): Losses => {
        if (batch.training) seen.push(batch.output(OUTPUTS.projection).slice());
        return losses(batch);
      },
    }));
    await run(method);
    expect(seen.length).toBeGreaterThan(2);
    for (const both of seen) {
      const half = both.length / 2;
      expect([...both.subarray(0, half)]).toEqual([...both.subarray(half)]);
    }
  });

  test('is refused where its view is not there, and told by its name where it throws', async () => {
    const out = join(scratch, 'refused');
    const config = { set: TINY };
    const missing = withParts('missing', ({ online }) => ({
      look: { ...online, views: [2], change: () => undefined },
    }));
    expect(await failureOf(pretrain({ dataset, out, method: missing, config }))).toMatchObject({
      code: 'METHOD_VIEWS',
      message: 'The method "missing" lets its look network see view 2, but its streams make 2 views.',
    });
    const throws = withParts('throws', ({ online }) => ({
      look: { ...online, change: ({ output }) => void output('nope') },
    }));
    const error = await failureOf(pretrain({ dataset, out, method: throws, config }));
    expect(error.message).toContain('failed in look.change: The outputs of the looking network are');
  });
});

describe('a target whose weights a run leaves', () => {
  /** The target keeps half of itself. */
  const parts = ({ online }: OpenMethod): Partial<OpenMethod> => ({
    target: { ...online, views: [0] },
    afterUpdate: (of, target) => {
      if (target !== null) followParameters(target, of, 0.5);
    },
  });
  const plain = withParts('follows', parts);
  const left = withParts('left', (open) => ({ ...parts(open), leaves: 'target' }));

  test('stands under the plain names, the network that trains beside it, in the same bits', async () => {
    const [before, after] = [await run(plain), await run(left)];
    const own = [...after.keys()].filter((name) => name.startsWith('online.'));
    expect(own.length).toBeGreaterThan(20);
    for (const name of own) {
      const bare = name.replace('online.', '');
      expect(after.get(name)!.data, name).toEqual(before.get(bare)!.data);
      expect(after.get(bare)!.data, bare).toEqual(before.get(`target.${bare}`)!.data);
    }
    expect(after.get('conv1.weight')!.data).not.toEqual(before.get('conv1.weight')!.data);
    for (const [name, { data }] of before)
      if (name.startsWith('optimizer.')) expect(after.get(name)!.data, name).toEqual(data);
  });

  test('is what best holds, and what a stopped run goes on from', async () => {
    const out = join(scratch, 'stopped');
    const whole = await run(left);
    const config = { set: [...TINY, 'training.epochs=2', 'checkpoint.keep=1'] };
    const stop = new AbortController();
    const onEvent = (event: { readonly kind: string }): void => {
      if (event.kind === 'step') stop.abort();
    };
    await pretrain({ dataset, out, method: left, config, onEvent, signal: stop.signal });
    await pretrain({ dataset, out, method: left, config, resume: true });
    const read = (name: string) => readCheckpoint(join(out, 'checkpoints', `${name}.safetensors`));
    const { tensors, best } = read('last');
    for (const [name, { data }] of whole) expect(tensors.get(name)!.data, name).toEqual(data);
    // Weights alone, of an epoch and of the best one, are those of the target too.
    const epochs = [read('epoch-00001').tensors, read('epoch-00002').tensors];
    for (const [name, { data }] of epochs[1]!) expect(data, name).toEqual(tensors.get(name)!.data);
    const kept = read('best').tensors;
    expect([...kept.keys()]).toEqual([...epochs[1]!.keys()]);
    for (const [name, { data }] of epochs[best!.epoch]!) expect(kept.get(name)!.data, name).toEqual(data);
    expect(kept.has('online.conv1.weight')).toBe(false);
  });

  test.each<[string, (open: OpenMethod) => Partial<OpenMethod>, string]>([
    ['none', () => ({ leaves: 'target' }), 'leaves the weights of a target network, and has none'],
    [
      'one without features',
      ({ online }) => ({
        leaves: 'target',
        target: { views: [0], network: { ...online.network, outputs: [OUTPUTS.projection] } },
      }),
      'that is not its online network with "features"',
    ],
    [
      'another network',
      ({ online }) => ({
        leaves: 'target',
        target: {
          views: [0],
          network: {
            ...online.network,
            nodes: online.network.nodes.slice(0, -3),
            outputs: [OUTPUTS.features],
          },
        },
      }),
      'that is not its online network',
    ],
  ])('is refused where there is %s', async (name, wrong, said) => {
    const out = join(scratch, 'none');
    const method = withParts(`wrong-${name.replaceAll(' ', '-')}`, wrong);
    const error = await failureOf(pretrain({ dataset, out, method, config: { set: TINY } }));
    expect(error).toMatchObject({ code: 'METHOD_VIEWS' });
    expect(error.message).toContain(said);
  });
});

test('a method that reads times is refused where a clip of several frames has no rate', async () => {
  const folder = await tinyDataset(join(scratch, 'timeless'), { fps: (clip) => (clip === 3 ? null : 5) });
  const out = join(scratch, 'timeless run');
  const options = { dataset: folder, out, method: 'temporal-coherence', config: { set: TINY } };
  expect(await failureOf(pretrain(options))).toMatchObject({
    code: 'METHOD_VIEWS',
    message:
      'The method "temporal-coherence" learns from the time between frames, and the clip clip3 has 4 frames but no frame rate.',
  });
  await expect(pretrain({ ...options, dataset })).resolves.toMatchObject({ complete: true });
});
