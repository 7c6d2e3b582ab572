import { describe, expect, it } from 'vitest';
import { cutNetwork, frozenPrefix } from '../../src/engine/core/cut.ts';
import { INPUT, parameterSpecs } from '../../src/engine/core/network.ts';
import { withHeads } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { everyNode, fillNormal, fillParameters, relativeError } from './helpers.ts';
import { FAST, openKind } from './kinds.ts';

const network = everyNode(3, 32);
const tuned = withHeads(resnet(18, { channels: 1, size: 32, width: 4 }), {
  projection: null,
  classifier: { classes: 3, input: 'representation' },
});

describe('cutNetwork', () => {
  it('gives every node and parameter to exactly one part', () => {
    for (const at of [INPUT, 'stemNorm', 'pool', 'sum', 'sum2', 'pooled', 'hidden', 'head']) {
      const { below, above } = cutNetwork(network, at);
      expect([...below.nodes, ...above.nodes].map(({ name }) => name)).toEqual(
        network.nodes.map(({ name }) => name),
      );
      expect([...parameterSpecs(below), ...parameterSpecs(above)].map(({ name }) => name)).toEqual(
        parameterSpecs(network).map(({ name }) => name),
      );
      expect(below.outputs[0]).toBe(at);
    }
  });

  it.each(['a', 'aNorm', 'short', 'bNorm', 'cNorm'])('refuses to cut inside a residual block (%s)', (at) => {
    expect(() => cutNetwork(network, at)).toThrow(/also reads/);
  });

  it('refuses a value that is not there, and says where a cut makes sense', () => {
    expect(() => cutNetwork(network, 'layer9')).toThrow(
      expect.objectContaining({
        code: 'NETWORK_CUT',
        where: 'value layer9',
        remedy: expect.stringContaining('layer3.1') as unknown,
      }),
    );
  });

  // A residual block above reads the cut twice: by its convolution and by its sum.
  const PLACES = [
    ['f32', 'pool'],
    ['f32', 'sum'],
    ['bf16', 'stemNorm'],
    ['bf16', 'pool'],
    ['bf16', 'sum'],
    ['bf16', 'sum2'],
    ['bf16', 'pooled'],
    ['bf16', INPUT],
  ] as const;
  it.each([
    ['reference', 'f32', 'sum'] as const,
    ...FAST.flatMap((kind) => PLACES.map((place) => [kind, ...place] as const)),
  ])('computes with both parts what the whole computes (%s, %s, cut at %s)', (kind, precision, at) => {
    using backend = openKind(kind);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    const { below, above } = cutNetwork(network, at);
    const frozen = { batch: 4, precision, frozenNorms: () => true } as const;
    const trainable = (name: string): boolean => name.startsWith('c') || name.startsWith('head');
    using whole = backend.compile(network, parameters, { ...frozen, mode: 'train', trainable });
    using lower = backend.compile(below, parameters, { batch: 4, precision, mode: 'infer' });
    using upper = backend.compile(above, parameters, { ...frozen, mode: 'train', trainable });
    fillNormal(whole.input, 2, 'images');
    lower.input.set(whole.input);
    whole.forward();
    lower.forward();
    upper.input.set(lower.output(at));
    upper.forward();
    for (const name of above.outputs)
      expect(relativeError(whole.output(name), upper.output(name)), name).toBeLessThan(1e-6);
    fillNormal(whole.outputGradient('head'), 3, 'head');
    whole.backward();
    const truth = parameters.gradients.read();
    upper.outputGradient('head').set(whole.outputGradient('head'));
    parameters.gradients.write(new Float32Array(parameters.gradients.length));
    upper.backward();
    const reached = parameterSpecs(above).filter(({ name }) => trainable(name));
    expect(reached.length).toBeGreaterThan(0);
    for (const { name } of reached) {
      const { offset, length } = parameters.specs.find((spec) => spec.name === name)!;
      const part = (data: Float32Array): Float32Array => data.subarray(offset, offset + length);
      expect(relativeError(part(truth), part(parameters.gradients.read())), name).toBeLessThan(1e-6);
    }
  });
});

describe('frozenPrefix', () => {
  const among =
    (...prefixes: readonly string[]) =>
    (name: string): boolean =>
      prefixes.some((prefix) => name.startsWith(prefix));

  it.each([
    ['the last block and the head', among('layer4.1', 'classifier'), 'layer4.0'],
    ['the last stage', among('layer4', 'classifier'), 'layer3.1'],
    ['the head', among('classifier'), 'features'],
    ['one shift in the middle of a block', among('layer3.1.bn2.bias'), 'layer3.0'],
    ['the stem’s norm', among('bn1.', 'classifier'), 'conv1'],
    ['everything', () => true, INPUT],
    ['nothing', () => false, 'classifier'],
  ])('lies right below what trains: %s', (_, trainable, at) => {
    expect(frozenPrefix(tuned, trainable)).toBe(at);
    if (at === 'classifier') return;
    const { below } = cutNetwork(tuned, at);
    expect(parameterSpecs(below).some(({ name }) => trainable(name))).toBe(false);
  });

  it('ends below the first norm that still moves', () => {
    expect(frozenPrefix(tuned, among('classifier'), () => false)).toBe('conv1');
    expect(frozenPrefix(tuned, among('classifier'), (node) => !node.startsWith('layer3'))).toBe('layer2.1');
  });
});
