/** What every backend checks before it compiles a plan. */
import { UsclError } from '../../base/errors.ts';
import type { PlanOptions } from './backend.ts';
import type { Network, ValueShape } from './network.ts';

/** Throws `NORM_GROUPS` or `PLAN_OPTIONS` for options that do not fit each other or the network. */
export function checkPlanOptions(
  { nodes }: Network,
  shapes: ReadonlyMap<string, ValueShape>,
  options: PlanOptions,
): void {
  const { batch, mode, normGroups = 1, taps = [], fold = false, winograd = false } = options;
  const { frozenNorms = () => false, normRanks } = options;
  if (batch % normGroups !== 0)
    throw new UsclError({
      kind: 'usage',
      code: 'NORM_GROUPS',
      message: `A batch of ${batch} cannot be split into ${normGroups} equal parts.`,
      where: 'normGroups',
      remedy: 'Choose a batch that is a multiple of the number of parts.',
    });
  const alone =
    mode === 'train' && batch === normGroups && normRanks === undefined
      ? nodes.find(
          ({ kind, name }) => kind === 'batchNorm' && shapes.get(name)?.length === 1 && !frozenNorms(name),
        )
      : undefined;
  if (alone !== undefined)
    throw new UsclError({
      kind: 'usage',
      code: 'PLAN_OPTIONS',
      message:
        'A batch norm of vectors has a single one to normalise: whatever it is given, it would give its bias.',
      where: `node ${alone.name}`,
      remedy:
        'Train with two or more samples in each part of the batch, or freeze that norm; several processes may share their norms.',
    });
  const unknown = taps.find((name) => !shapes.has(name));
  if (unknown !== undefined)
    throw new UsclError({
      kind: 'usage',
      code: 'PLAN_OPTIONS',
      message: `The network has no value called "${unknown}" to look at.`,
      where: 'taps',
      remedy: `Values are called ${[...shapes.keys()].slice(0, 4).join(', ')}, …, ${[...shapes.keys()].at(-1) ?? ''}.`,
    });
  if (fold && mode === 'train')
    throw new UsclError({
      kind: 'usage',
      code: 'PLAN_OPTIONS',
      message: 'Batch norms cannot be folded into convolutions that are being trained.',
      where: 'fold',
      remedy: 'Fold in inference plans; in training, freeze norms with frozenNorms.',
    });
  if (winograd && !fold)
    throw new UsclError({
      kind: 'usage',
      code: 'PLAN_OPTIONS',
      message: 'Convolutions go by Winograd’s filtering in folded plans alone.',
      where: 'winograd',
      remedy: 'Fold the plan too (fold: true), or leave winograd out.',
    });
}
