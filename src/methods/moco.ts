/**
 * MoCo v2 (He et al., CVPR 2020; Chen et al. 2020): a view of a clip must find its other view, as a slowly following copy
 * of the network sees it, among that view and a queue of earlier ones. Views of the query's own clip in the queue are no
 * negatives: with few clips the queue goes round them many times. The queue and the copy are part of every checkpoint.
 */
import { z } from 'zod';
import { randomAt } from '../base/random.ts';
import { OUTPUTS, withHead } from '../models/heads.ts';
import { followParameters } from '../models/moving-average.ts';
import { infoNce } from '../objectives/info-nce.ts';
import { defineMethod, type Reference } from './method.ts';

const count = z.int().min(1);

const options = z.object({
  projection: z
    .strictObject({
      hidden: count
        .nullable()
        .default(512)
        .describe(
          'features of the hidden layer of the projection head; null: a single linear layer, as in v1',
        ),
      dim: count.default(128).describe('features of the embedding'),
    })
    .prefault({}),
  temperature: z.number().gt(0).max(10).default(0.2).describe('τ of the contrastive loss'),
  queue: z
    .int()
    .min(1)
    .max(65_536)
    .default(1024)
    .describe('embeddings of earlier batches that serve as negatives'),
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.99)
    .describe(
      'share of itself that the following network keeps at each step; published: 0.999, for longer runs',
    ),
});
type Options = z.infer<typeof options>;

const REFERENCE: Reference = {
  key: 'moco-v2',
  text: 'Chen X, Fan H, Girshick R, He K. Improved Baselines with Momentum Contrastive Learning. 2020. arXiv:2003.04297',
};

/** Embeddings of earlier batches, the oldest replaced first. */
class Queue {
  readonly dim: number;
  /** [length, dim], unit rows. */
  readonly rows: Float32Array;
  /** [length], the clip of each row; −1: a random direction that stands in until a batch comes. */
  readonly clips: Float32Array;
  /** [1], where the next row goes. */
  readonly next = new Float32Array(1);

  constructor({ queue, projection: { dim } }: Options, seed: number) {
    this.dim = dim;
    const random = randomAt(seed, 'queue');
    this.rows = Float32Array.from({ length: queue * dim }, () => random.normal());
    this.clips = new Float32Array(queue).fill(-1);
    for (let row = 0; row < queue; row++) normalise(this.rows.subarray(row * dim, (row + 1) * dim));
  }

  add(keys: Float32Array, clips: readonly number[]): void {
    for (const [i, clip] of clips.entries()) {
      const slot = this.next[0]!;
      const row = this.rows.subarray(slot * this.dim, (slot + 1) * this.dim);
      row.set(keys.subarray(i * this.dim, (i + 1) * this.dim));
      normalise(row);
      this.clips[slot] = clip;
      this.next[0] = (slot + 1) % this.clips.length;
    }
  }
}

function normalise(row: Float32Array): void {
  const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
  for (let i = 0; norm > 0 && i < row.length; i++) row[i]! /= norm;
}

/**
 * Asymmetric as published: view 0 asks, view 1 answers. Batch norms of the following network see their batch as it is: the
 * shuffling of the authors' code needs several devices. Held-out views are told from the others of their batch.
 */
export const moco = defineMethod<Options>({
  name: 'moco',
  title: 'MoCo v2',
  summary:
    'a view finds its other view among a queue of earlier ones, as a slowly following network sees them',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [
    { name: 'alignment', over: 'mean', heldOut: true },
    { name: 'pairAccuracy', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Views that find each other',
      axis: 'share of views',
      shows: ['pairAccuracy'],
      caption: 'Share of views whose own other view is nearer than every negative.',
    },
  ],
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open(given, { trunk, batchSize, seed }) {
    const { hidden, dim } = given.projection;
    const hiddenLayer = hidden === null ? [] : [{ features: hidden, relu: true }];
    const head = withHead(trunk, 'projection', OUTPUTS.features, [...hiddenLayer, { features: dim }]);
    const target = { ...head.network, outputs: [head.output] };
    const queue = new Queue(given, seed);
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network: head.network, views: [0] },
      target: { network: target, views: [1] },
      state: { queue: queue.rows, queueClips: queue.clips, queueNext: queue.next },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const { clips } = batch.views[0]!;
        const keys = batch.target(head.output);
        const [negatives, owners] = batch.training ? [queue.rows, queue.clips] : [keys, clips];
        const isNegative = (row: number, negative: number): boolean => owners[negative] !== clips[row];
        const queries = batch.output(head.output);
        const gradient = batch.gradient(head.output);
        const found = infoNce(queries, keys, negatives, isNegative, dim, given.temperature, gradient);
        if (batch.training) queue.add(keys, clips);
        return { loss: found.loss, alignment: found.alignment, pairAccuracy: found.accuracy };
      },
      afterUpdate(online, following) {
        if (following !== null) followParameters(following, online, given.momentum);
      },
    };
  },
  describe: ({ projection, temperature, queue, momentum }, { cite }) =>
    `by MoCo v2 ${cite(REFERENCE)}: a view of a clip had to find its other view, as a copy of the network saw it that followed ` +
    `as a moving average (momentum ${momentum}), among ${queue} earlier views of other clips (temperature ${temperature}, ` +
    `embeddings of ${projection.dim} features); no label was read.`,
});
