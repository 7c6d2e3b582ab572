/** A step of training as a device sees it: what crosses between its memory and the host's, and nothing that need not. */
import { expect, test } from 'vitest';
import { openReference } from '../../src/engine/reference/backend.ts';
import { separateMemory } from '../../src/engine/separate/backend.ts';
import { moco } from '../../src/methods/moco.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import { GIVEN, rowsOf, SMALL_TRUNK } from '../methods/support.ts';

test('images go over, embeddings come back, their gradients go over: no parameter, gradient or statistic does', async () => {
  using backend = separateMemory(openReference(false));
  const set = ['method.name=moco', 'method.projection={hidden: null, dim: 4}', 'method.queue=8'];
  const config = resolveConfig({ set: [...set, 'training.clipNorm=1', 'precision=f32'] });
  const { name: _name, ...options } = config.method;
  const open = moco.open(options, { ...GIVEN, trunk: SMALL_TRUNK });
  using network = new MethodNetwork({ backend, config, opened: { method: moco, open } });
  const before = new Map(backend.transfers);
  const rows = rowsOf(0, 1, 2, 3);
  const batch = {
    clipIds: ['a', 'b', 'c', 'd'],
    pairs: 4,
    views: [rows, rows],
    images: Float32Array.from({ length: 2 * 4 * 6 }, (_, i) => Math.sin(i)),
    ...{ number: 0, progress: 0 },
  };
  await network.step(() => Promise.resolve(batch), 1, 0.1, 1);
  const crossed = [...backend.transfers].flatMap(([what, { calls, bytes }]) => {
    const then = before.get(what) ?? { calls: 0, bytes: 0 };
    return calls === then.calls
      ? []
      : [[what, { calls: calls - then.calls, bytes: bytes - then.bytes }] as const];
  });
  // Two networks see a view each: the one that trains and the one that follows it.
  expect(new Map(crossed)).toEqual(
    new Map([
      // Of four rows: images of 6 numbers, embeddings of 4, representations of 8, in f32.
      ['write input', { calls: 2, bytes: 2 * 4 * 6 * 4 }],
      ['read output projection.0', { calls: 2, bytes: 2 * 4 * 4 * 4 }],
      ['write gradient of output features', { calls: 1, bytes: 4 * 8 * 4 }],
      ['write gradient of output projection.0', { calls: 1, bytes: 4 * 4 * 4 }],
    ]),
  );
});
