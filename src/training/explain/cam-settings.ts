/** What Grad-CAM over a pool of clips is asked for, and which class of each clip that means. */
import { UsclError } from '../../base/errors.ts';
import type { CamPlan } from '../../evaluation/cam-plan.ts';
import { largestAt } from '../../evaluation/knn.ts';
import type { PooledClip } from './clip-pool.ts';
import type { VideoFormat } from './encode-video.ts';
import type { WholeView } from './subject.ts';

/** Folder of the pictures. */
export const CAM_FOLDER = 'cam';

export interface CamSettings {
  readonly plan: CamPlan;
  readonly classes: readonly string[];
  readonly view: WholeView;
  readonly pool: readonly PooledClip[];
  readonly framesPerClip: number;
  /** `predicted`, `label`, or the name of a class. */
  readonly target: string;
  /** Indices in the pool of the clips to draw. */
  readonly pictures: ReadonlySet<number>;
  /** Videos of those of them that move; null for none. */
  readonly video: VideoFormat | null;
  readonly folder: string;
  readonly onProgress?: ((done: number, total: number, note?: string) => void) | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TargetChooser {
  explains(clip: PooledClip): boolean;
  classOf(clip: PooledClip, probabilities: readonly Float32Array[]): number;
}

/** Errors: `CAM_TARGET`. */
export function targetChooser({
  target,
  classes,
  pool,
}: Pick<CamSettings, 'target' | 'classes' | 'pool'>): TargetChooser {
  if (target === 'predicted')
    return {
      explains: () => true,
      classOf: (_, probabilities) => {
        const sums = classes.map((_name, c) => probabilities.reduce((sum, one) => sum + one[c]!, 0));
        return largestAt(sums, 0, classes.length);
      },
    };
  const isKnown = (label: string | null): label is string => label !== null && classes.includes(label);
  if (target === 'label' && pool.some(({ record }) => isKnown(record.label)))
    return {
      explains: ({ record }) => isKnown(record.label),
      classOf: ({ record }) => (isKnown(record.label) ? classes.indexOf(record.label) : 0),
    };
  if (classes.includes(target)) return { explains: () => true, classOf: () => classes.indexOf(target) };
  throw new UsclError({
    kind: 'usage',
    code: 'CAM_TARGET',
    message:
      target === 'label'
        ? 'No clip has a label that the network knows.'
        : `The network knows no class "${target}".`,
    where: 'class',
    remedy: `Give predicted, label, or one of its classes: ${classes.join(', ')}.`,
  });
}
