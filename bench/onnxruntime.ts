/**
 * Inference beside ONNX Runtime: the same ResNet with the same weights, batch norms folded, f32, as many threads, in turns. The ONNX
 * model is the network alone, as `uscl export --fold` writes it behind its scaling, and takes images that are made. Ours runs with Winograd's
 * filtering, as features are made, and without.
 *
 *     npm run bench:onnx -- [--size 224] [--threads 2] [--rounds 7] [--seconds 2] [--out FILE]
 */
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { randomAt } from '../src/base/random.ts';
import { Resources } from '../src/base/resources.ts';
import { openBackend } from '../src/engine/open.ts';
import type { Backend, Parameters } from '../src/engine/core/backend.ts';
import type { Network } from '../src/engine/core/network.ts';
import { encodeOnnx } from '../src/formats/onnx/write.ts';
import { OUTPUTS } from '../src/models/heads.ts';
import { initialise } from '../src/models/initialise.ts';
import { resnet } from '../src/models/resnet.ts';
import { namedTensors } from '../src/runs/named-tensors.ts';
import { networkPart } from '../src/weights/onnx/graph.ts';
import { countOf, median, overRounds } from './contestants.ts';

const { values: flags } = parseArgs({
  options: {
    size: { type: 'string', default: '224' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
});
const [size, threads, rounds] = (['size', 'threads', 'rounds'] as const).map((name) =>
  countOf(name, flags[name]),
) as [number, number, number];
const CHANNELS = 1;

interface Contestant {
  /** One pass over a batch; its features. */
  run(): Float32Array | Promise<Float32Array>;
}

/** Running statistics as those of the images: features keep a size that can be compared. */
function fitNorms(
  backend: Backend,
  network: Network,
  parameters: Parameters,
  images: Float32Array,
  batch: number,
): void {
  const nodes = network.nodes.map((node) => (node.kind === 'batchNorm' ? { ...node, momentum: 1 } : node));
  using plan = backend.compile({ ...network, nodes }, parameters, { batch, mode: 'train', precision: 'f32' });
  plan.input.set(images);
  plan.forward();
}

async function compared(depth: 18 | 50, batch: number): Promise<Record<string, unknown>> {
  using open = new Resources();
  const backend = open.use(openBackend({ kind: 'onednn', threads }));
  const network = resnet(depth, { channels: CHANNELS, size });
  const parameters = open.use(backend.createParameters(network));
  initialise(parameters, 1);
  const random = randomAt(3, 'images');
  const images = Float32Array.from({ length: batch * CHANNELS * size * size }, () => random.normal());
  fitNorms(backend, network, parameters, images, batch);
  const ours = (winograd: boolean): Contestant => {
    const plan = open.use(
      backend.compile(network, parameters, { batch, mode: 'infer', precision: 'f32', fold: true, winograd }),
    );
    return {
      run() {
        plan.input.set(images);
        plan.forward();
        return plan.output(OUTPUTS.features);
      },
    };
  };
  const tensors = new Map(namedTensors(parameters).map(({ name, shape, data }) => [name, { shape, data }]));
  const layers = networkPart(network, (name) => tensors.get(name)!, 'images', true);
  const bytes = encodeOnnx({
    graph: {
      name: 'network',
      ...layers,
      inputs: [{ name: 'images', type: 'float', shape: [batch, CHANNELS, size, size] }],
      outputs: [{ name: OUTPUTS.features, type: 'float', shape: [batch, depth === 18 ? 512 : 2048] }],
    },
    opset: 13,
    producer: { name: 'uscl', version: '0' },
    about: '',
    metadata: {},
  });
  const session = await InferenceSession.create(Buffer.concat(bytes), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
  const theirs: Contestant = {
    async run() {
      const input = new Tensor('float32', images, [batch, CHANNELS, size, size]);
      const answer = await session.run({ images: input });
      return answer[OUTPUTS.features]!.data as Float32Array;
    },
  };
  const contestants = { uscl: ours(true), 'uscl without Winograd': ours(false), 'ONNX Runtime': theirs };
  const answers: Record<string, Float32Array> = {};
  for (const [name, contestant] of Object.entries(contestants)) {
    for (let i = 0; i < 2; i++) await contestant.run();
    answers[name] = Float32Array.from(await contestant.run());
  }
  const difference = (name: string): number => {
    const [own, other] = [answers[name]!, answers['ONNX Runtime']!];
    const largest = other.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return own.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0) / largest;
  };
  const perSecond: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++)
    for (const [name, contestant] of Object.entries(contestants)) {
      const start = performance.now();
      let passes = 0;
      while (performance.now() - start < 1000 * Number(flags.seconds)) {
        await contestant.run();
        passes++;
      }
      (perSecond[name] ??= []).push((1000 * passes * batch) / (performance.now() - start));
    }
  await session.release();
  return {
    ...{ network: `ResNet-${depth}`, batch, size, channels: CHANNELS },
    imagesPerSecond: perSecond,
    median: Object.fromEntries(Object.entries(perSecond).map(([name, values]) => [name, median(values)])),
    'uscl / ONNX Runtime': overRounds(rounds, (i) => perSecond['uscl']![i]! / perSecond['ONNX Runtime']![i]!),
    'uscl without Winograd / ONNX Runtime': overRounds(
      rounds,
      (i) => perSecond['uscl without Winograd']![i]! / perSecond['ONNX Runtime']![i]!,
    ),
    largestDifference: { uscl: difference('uscl'), 'without Winograd': difference('uscl without Winograd') },
  };
}

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
const results: unknown[] = [];
for (const depth of [18, 50] as const)
  for (const batch of [1, 16]) results.push(await compared(depth, batch));
const result = {
  processor: cpus()[0]!.model,
  ...{ threads, load: loadavg(), onnxruntime: version },
  results,
};
console.log(JSON.stringify(result, null, 2));
if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(result, null, 2)}\n`);
