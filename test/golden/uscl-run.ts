/**
 * The clips and settings of the golden USCL runs: what `uscl_run_golden.py` describes, for `pretrain`. A test runs a case
 * and holds everything it logged and left behind beside PyTorch's numbers.
 */
import { z } from 'zod';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { readSafetensors, type Safetensors } from '../../src/formats/safetensors.ts';
import { hashes } from './hashed.ts';

export type RunCase = 'sgd' | 'adam';

const CLIPS = 22;
const SIZE = 64;

const WHOLE_FRAMES = [
  'view.size=64',
  'view.channels=1',
  'view.augment={cropScale: [1, 1], cropRatio: [1, 1], flip: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0}',
  'data.validation.fraction=0.3',
  'training.steps=null',
  'precision=f32',
  'backend=reference',
  'loader.workers=0',
];

/** `CASES` of the Python script, in the words of the configuration. */
export const SETTINGS: Readonly<Record<RunCase, readonly string[]>> = {
  sgd: [
    ...WHOLE_FRAMES,
    'seed=12',
    'data.labelRate=0.5',
    'view.spg={anchor: random, coefficients: shared, beta: [0.5, 0.5], order: augment-then-mix}',
    'batch.size=4',
    'model={backbone: resnet18, width: 4}',
    'method={projection: {hidden: 32, dim: 16}, classifierInput: representation}',
    'model.normPerView=true',
    'method={temperature: 0.5, supervisedWeight: 0.5, supervisedReduction: mean}',
    'optimizer={kind: sgd, learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0.01}',
    'optimizer.noDecay=["*bn*", "*.bias"]',
    'schedule={kind: cosine, unit: epoch, warmup: linear, warmupLength: 2}',
    'training={epochs: 4, accumulate: 3, clipNorm: 6}',
  ],
  adam: [
    ...WHOLE_FRAMES,
    'seed=2',
    'data.labelRate=0.75',
    'view.spg={anchor: middle, coefficients: independent, beta: [2, 3], order: augment-then-mix}',
    'batch.size=5',
    'model={backbone: resnet18, width: 4}',
    'method={projection: {hidden: 16, dim: 8}, classifierInput: projection}',
    'model.normPerView=false',
    'model.normMomentum=0.19',
    'method={temperature: 0.2, supervisedWeight: 0.3, supervisedReduction: sum-of-views}',
    'optimizer={kind: adam, learningRate: 0.01, beta1: 0.8, beta2: 0.95, epsilon: 0.001, weightDecay: 0.02}',
    'schedule={kind: cosine, unit: step, warmup: hold, warmupLength: 2}',
    'training={epochs: 3, accumulate: 2, clipNorm: 20}',
  ],
};

/** Writes the clips of both cases. */
export async function goldenClips(folder: string): Promise<string> {
  using writer = createDataset(folder, {
    name: 'golden',
    licence: null,
    citation: null,
    homepage: null,
    classes: ['a', 'b', 'c'],
    channels: 1,
    size: SIZE,
    made: { command: 'test' },
  });
  for (let clip = 0; clip < CLIPS; clip++) {
    const frames = 2 + (clip % 3);
    await writer.addClip(
      {
        id: `clip${clip}`,
        group: `patient${Math.floor(clip / 2)}`,
        label: clip % 5 === 4 ? null : ['a', 'b', 'c'][clip % 3]!,
        source: `clip${clip}.mp4`,
        sourceSha256: null,
        width: SIZE,
        height: SIZE,
        fps: 5,
        original: { width: SIZE, height: SIZE, fps: 5, frames },
        crop: null,
        dropped: { black: 0, blank: 0, duplicate: 0 },
        flags: [],
      },
      Array.from({ length: frames }, (_, frame) => pixels(clip, frame)),
    );
  }
  writer.finish();
  return folder;
}

function pixels(clip: number, frame: number): Uint8Array {
  const blocks = hashes(`clip${clip}/blocks`, 16).map((hash) => hash % 192);
  const noise = hashes(`clip${clip}/noise${frame}`, SIZE * SIZE).map((hash) => hash % 64);
  return Uint8Array.from(noise, (value, i) => {
    const row = Math.floor(i / SIZE / 16);
    const column = Math.floor(((i % SIZE) + 5 * frame) / 16) % 4;
    return blocks[4 * row + column]! + value;
  });
}

const aboutSchema = z.object({
  stepColumns: z.array(z.string()),
  validationColumns: z.array(z.string()),
  heldOut: z.array(z.int()),
  readable: z.array(z.int()),
  deviations: z.record(z.string(), z.number()),
});

/** A row of a golden log by the names of its columns. */
export type GoldenRow = ReadonlyMap<string, number>;

export interface GoldenRun extends z.infer<typeof aboutSchema> {
  readonly steps: readonly GoldenRow[];
  readonly validation: readonly GoldenRow[];
  /** `model/…` and `optimizer/…`: digests under their own names. */
  readonly digests: Safetensors['tensors'];
}

export function readGoldenRun(name: RunCase): GoldenRun {
  const golden = readSafetensors(new URL(`data/uscl-run-${name}.safetensors`, import.meta.url).pathname);
  const about = aboutSchema.parse(JSON.parse(golden.metadata['about'] ?? ''));
  const table = (key: string, columns: readonly string[]): GoldenRow[] => {
    const { data } = golden.tensors.get(key)!;
    return Array.from(
      { length: data.length / columns.length },
      (_, row) => new Map(columns.map((column, i) => [column, Number(data[row * columns.length + i])])),
    );
  };
  return {
    ...about,
    steps: table('steps', about.stepColumns),
    validation: table('validation', about.validationColumns),
    digests: new Map([...golden.tensors].filter(([key]) => key.includes('/'))),
  };
}
