/**
 * What one training step on the backend `torch` asks of PyTorch, and how long the host takes for it. Every function of libtorch that the
 * engine binds is counted; beside them are only copies of eight bytes into optional arguments.
 *
 *     USCL_TORCH=FOLDER tsx bench/torch-host.ts [--steps 40]
 *
 * The host's time is that of a step whose kernels have next to nothing to do: a ResNet-18 of all its layers, 8 channels wide, 4 images of 32
 * pixels, one thread, in f32. So it holds everything between the kernels on a large network as well (this program, the calls, PyTorch's own
 * dispatch, a loss on the host) and what kernels take for small numbers: it is an upper bound. `outside of PyTorch` is the part
 * that no function of libtorch takes. On a GPU the host works while the device computes; there it is what a step cannot fall below.
 */
import { parseArgs } from 'node:util';
import type { LibraryHandle } from 'koffi';
import { openBackend } from '../src/engine/open.ts';
import { createOptimizer } from '../src/engine/core/optimizer.ts';
import { loadTorch } from '../src/engine/torch/native/library.ts';
import { initialise } from '../src/models/initialise.ts';
import { OUTPUTS } from '../src/models/heads.ts';
import { ntXent } from '../src/objectives/nt-xent.ts';
import { countOf, median } from './contestants.ts';
import { contrastNetwork, DIM } from './gpu/network.ts';

const { values: flags } = parseArgs({ options: { steps: { type: 'string', default: '40' } } });
const steps = countOf('steps', flags.steps);
const PAIRS = 2;

/** Calls by the name of the function, and milliseconds in all of them where that is asked for: two readings of the clock each. */
const calls = new Map<string, number>();
let inside: number | null = null;

type Foreign = (...args: readonly unknown[]) => unknown;

function counted(name: string, call: Foreign): Foreign {
  return (...args) => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    if (inside === null) return call(...args);
    const begun = performance.now();
    const result = call(...args);
    inside += performance.now() - begun;
    return result;
  };
}

const library = loadTorch(1);
for (const group of [library.functions, library.extras])
  for (const [name, call] of Object.entries(group))
    if (typeof call === 'function') Object.assign(group, { [name]: counted(name, call as Foreign) });
const load = library.load.bind(library);
Object.assign(library, {
  load: (name: string): LibraryHandle => {
    const native = load(name);
    const func = (declaration: string): Foreign =>
      counted(/aoti_torch_\w+/.exec(declaration)?.[0] ?? declaration, native.func(declaration) as Foreign);
    return { ...native, func } as unknown as LibraryHandle;
  },
});

using backend = openBackend({ kind: 'torch', device: 'cpu', threads: 1, separateMemory: false });
const network = contrastNetwork(18, 32, 8);
using parameters = backend.createParameters(network);
initialise(parameters, 1);
using plan = backend.compile(network, parameters, {
  ...{ batch: 2 * PAIRS, mode: 'train', precision: 'f32', normGroups: 2 },
});
const names = parameters.specs.map(({ name }) => name);
using optimizer = createOptimizer(
  ...([backend, parameters, { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }] as const),
  [{ parameters: names, learningRateFactor: 1, weightDecay: 1e-4 }],
);
const images = Float32Array.from({ length: plan.input.length }, (_, i) => Math.sin(0.01 * i));

function step(): number {
  const begun = performance.now();
  plan.input.set(images);
  plan.forward();
  const gradient = plan.outputGradient(OUTPUTS.projection);
  ntXent(plan.output(OUTPUTS.projection), PAIRS, DIM, 0.5, gradient);
  plan.outputGradient(OUTPUTS.features).fill(0);
  plan.backward();
  const norm = Math.sqrt(backend.sumOfSquares(parameters.gradients, [[0, parameters.gradients.length]]));
  if (!Number.isFinite(norm)) throw new Error(`the gradient's norm is ${norm}`);
  optimizer.update(1e-4);
  return performance.now() - begun;
}

for (let i = 0; i < steps; i++) step(); // code is compiled
calls.clear();
step();
const asked = new Map(calls);
const whole = Array.from({ length: steps }, step);
const outside = Array.from({ length: steps }, () => {
  inside = 0;
  const all = step();
  const between = all - inside;
  inside = null;
  return between;
});

const sum = (wanted: (name: string) => boolean): number =>
  [...asked].reduce((total, [name, count]) => (wanted(name) ? total + count : total), 0);
// Kernels, operators of the dispatcher, copies and zeros; the rest makes, lends and gives back tensors.
const isOperator = (name: string): boolean => /^(dispatch|copy|zero)$/.test(name) || isKernel(name);
const isKernel = (name: string): boolean => name.startsWith('aoti_torch_cpu_') && !name.endsWith('_narrow');
console.log(
  `A step of the backend torch: ${sum(isOperator)} operators, ${sum(() => true)} foreign calls; ` +
    `with next to nothing to compute ${median(whole).toFixed(2)} ms (least ${Math.min(...whole).toFixed(2)}), ` +
    `outside of PyTorch ${median(outside).toFixed(2)} ms (least ${Math.min(...outside).toFixed(2)})`,
);
const often = [...asked].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`);
console.log(`Calls: ${often.join(', ')}`);
