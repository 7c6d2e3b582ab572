/** The network of the page's parts, and its weights in a file that the peer reads. */
import { writeFileSync } from 'node:fs';
import type { Network, Parameters } from '../../src/exports/engine.ts';
import { resnet, withHeads } from '../../src/exports/methods.ts';
import { namedTensors } from '../../src/exports/training.ts';

export const HIDDEN = 512;
export const DIM = 256;

/** A ResNet on images of one channel with a projection, as the peer builds it. */
export function contrastNetwork(depth: 18 | 50, size: number, width: number): Network {
  return withHeads(resnet(depth, { channels: 1, size, width }), {
    projection: { hidden: HIDDEN, dim: DIM },
    classifier: null,
  });
}

/** All tensors one after the other, and their names and shapes beside them (`FILE.json`). */
export function writeTensors(
  file: string,
  tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: Float32Array;
  }[],
): void {
  writeFileSync(
    file,
    Buffer.concat(tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))),
  );
  writeFileSync(`${file}.json`, JSON.stringify(tensors.map(({ name, shape }) => ({ name, shape }))));
}

export function writeWeights(file: string, parameters: Parameters): void {
  writeTensors(file, namedTensors(parameters));
}
