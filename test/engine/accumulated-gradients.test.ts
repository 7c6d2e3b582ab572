/** Gradients that a pass adds to those that are there: of what it trains and reaches; all others keep every bit. Beside the reference. */
import { describe, expect, test } from 'vitest';
import type { BackendKind } from '../../src/engine/core/backend.ts';
import type { Network } from '../../src/engine/core/network.ts';
import { edit, everyNode, execute, fillNormal, fillParameters, part, relativeError } from './helpers.ts';
import { FAST, openKind } from './kinds.ts';

const whole = everyNode(2, 16);
const upTo = (name: string): Network => ({
  ...whole,
  nodes: whole.nodes.slice(0, whole.nodes.findIndex((node) => node.name === name) + 1),
  outputs: [name],
});

interface Case {
  readonly name: string;
  readonly network: Network;
  readonly trainable: (parameter: string) => boolean;
  /** Trained, and reached by no gradient. */
  readonly unreached?: readonly string[];
}

const CASES: readonly Case[] = [
  { name: 'all of it', network: whole, trainable: () => true },
  { name: 'frozen ones between', network: whole, trainable: (name) => /^(c|head\.weight)/.test(name) },
  {
    name: 'one half of a norm, and a bias alone',
    network: whole,
    trainable: (name) => /^(stem.*|head)\.bias$/.test(name),
  },
  { name: 'a part of the network', network: upTo('pooled'), trainable: () => true },
  {
    name: 'a head that no output reads',
    network: {
      ...whole,
      nodes: [...whole.nodes, { kind: 'linear', name: 'unread', input: 'pooled', features: 3 }],
    },
    trainable: () => true,
    unreached: ['unread.weight', 'unread.bias'],
  },
];

/** Gradients of every parameter that there is, after a pass that makes them and one that adds to them; before both they are 7. */
function passed(kind: BackendKind, { network, trainable }: Case): ReadonlyMap<string, Float32Array>[] {
  using backend = openKind(kind);
  using parameters = backend.createParameters(network.nodes.length < whole.nodes.length ? whole : network);
  fillParameters(parameters, 1);
  edit(parameters.gradients, (gradients) => gradients.fill(7));
  using plan = backend.compile(network, parameters, { batch: 4, mode: 'train', precision: 'f32', trainable });
  const seen = (): ReadonlyMap<string, Float32Array> =>
    new Map(parameters.specs.map(({ name }) => [name, part(parameters, parameters.gradients, name)]));
  execute(plan, network, parameters, 1);
  const made = seen();
  const rounds = [2, 3].map((seed) => {
    fillNormal(plan.input, seed, 'input');
    plan.forward();
    for (const name of network.outputs) fillNormal(plan.outputGradient(name), seed, name);
    plan.backward({ accumulate: true });
    return seen();
  });
  return [made, ...rounds];
}

describe.each(FAST)('on %s', (kind) => {
  test.each(CASES)('$name', (which) => {
    const [found, truth] = [passed(kind, which), passed('reference', which)];
    const names = new Set(which.network.nodes.map(({ name }) => name));
    found.forEach((pass, round) => {
      for (const [name, gradient] of pass) {
        const isTrained = names.has(name.replace(/\.\w+$/, '')) && which.trainable(name);
        const constant = isTrained ? (which.unreached?.includes(name) === true ? 0 : null) : 7;
        if (constant === null) {
          expect(relativeError(truth[round]!.get(name)!, gradient), `${name}, pass ${round}`).toBeLessThan(
            1e-4,
          );
          expect(
            gradient.every((value) => value === 7),
            name,
          ).toBe(false);
        } else
          expect(
            gradient.every((value) => value === constant),
            `${name}, pass ${round}`,
          ).toBe(true);
      }
    });
  });
});

test('the reference leaves what it does not train, and has no gradient where none comes', () => {
  for (const which of CASES) {
    const names = new Set(which.network.nodes.map(({ name }) => name));
    for (const pass of passed('reference', which))
      for (const [name, gradient] of pass) {
        const isTrained = names.has(name.replace(/\.\w+$/, '')) && which.trainable(name);
        if (!isTrained)
          expect(
            gradient.every((value) => value === 7),
            name,
          ).toBe(true);
        else if (which.unreached?.includes(name) === true)
          expect(
            gradient.every((value) => value === 0),
            name,
          ).toBe(true);
      }
  }
});
