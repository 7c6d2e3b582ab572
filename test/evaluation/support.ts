import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { UsclError } from '../../src/base/errors.ts';
import type { LabelledClip } from '../../src/dataset/types.ts';
import type { ClipEmbeddings } from '../../src/evaluation/features/embeddings.ts';

export { codeOf } from '../failures.ts';

/** Cases of a golden file made by test/golden/evaluation.py. */
export function golden<T extends z.ZodType>(name: string, one: T): z.infer<T>[] {
  const text = readFileSync(new URL(`golden/${name}.json`, import.meta.url), 'utf8');
  return z.object({ cases: z.array(one) }).parse(JSON.parse(text)).cases;
}

/** Code of the UsclError a promise rejects with. */
export async function codeOfAsync(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown.code;
    throw thrown;
  }
  return 'no error';
}

export interface Made {
  readonly clips: LabelledClip[];
  readonly classes: string[];
  readonly embeddings: ClipEmbeddings;
}

/**
 * Clips in groups of `clipsPerGroup` with features of clip-wise offset, frame noise, a group offset and a class
 * offset of length `signal` along one axis a class.
 */
export function makeData(options: {
  seed: number;
  groups: number;
  clipsPerGroup: number;
  frames: number;
  dim: number;
  classes: number;
  signal: number;
  groupNoise?: number;
}): Made {
  const { seed, groups, clipsPerGroup, frames, dim, classes, signal, groupNoise = 1 } = options;
  const names = Array.from({ length: classes }, (_, c) => `class-${c}`);
  const clips: LabelledClip[] = [];
  const rows: number[] = [];
  const clipOfRow: number[] = [];
  const random = randomAt(seed, 'test-data');
  const normals = (scale: number): number[] => Array.from({ length: dim }, () => scale * random.normal());
  for (let g = 0; g < groups; g++) {
    const label = g % classes;
    const ofGroup = normals(groupNoise);
    for (let c = 0; c < clipsPerGroup; c++) {
      clips.push({ id: `g${g}-c${c}`, group: `group-${g}`, label: names[label]! });
      const ofClip = normals(1);
      for (let f = 0; f < frames; f++) {
        const ofFrame = normals(0.3);
        for (let d = 0; d < dim; d++) {
          rows.push(ofGroup[d]! + ofClip[d]! + ofFrame[d]! + (d === label ? signal : 0));
        }
        clipOfRow.push(clips.length - 1);
      }
    }
  }
  return {
    clips,
    classes: names,
    embeddings: { dim, features: Float32Array.from(rows), clip: Int32Array.from(clipOfRow) },
  };
}
