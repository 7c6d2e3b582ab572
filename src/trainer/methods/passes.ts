/**
 * A network that sees images of several sizes runs once for each size. What its passes make of a batch is one array, in the
 * order of the views that the network sees, and gradients go back the same way.
 */
import { groupBy } from '../../base/collect.ts';
import type { Plan } from '../../engine/core/backend.ts';
import type { NetworkUse, ViewRows } from '../../methods/method.ts';

/** A plan and the views that it sees, one after the other. */
export interface Pass {
  readonly plan: Plan;
  readonly views: readonly number[];
}

/** The views that a network sees by the size of their images, and the network for each. `sizes` are the sides of all views. */
export function usesBySize(
  { network, views }: NetworkUse,
  sizes: readonly number[],
): readonly (NetworkUse & { readonly size: number })[] {
  return [...groupBy(views, (view) => sizes[view]!)].map(([size, own]) => {
    const [channels, ...sides] = network.input;
    // What takes vectors takes one length.
    const input = sides.length === 0 ? network.input : ([channels, size, size] as const);
    return { size, views: own, network: { ...network, input } };
  });
}

/** Copies the images of the views that each pass sees into its plan's input. */
export function fillPasses(
  passes: readonly Pass[],
  views: readonly ViewRows[],
  sizes: readonly number[],
  images: Float32Array,
): void {
  for (const { plan, views: seen } of passes) {
    const length = plan.input.length / plan.batch;
    let at = 0;
    for (const view of seen) {
      const from = numbersBefore(view, views, sizes, length);
      const count = views[view]!.clips.length * length;
      plan.input.set(images.subarray(from, from + count), at);
      at += count;
    }
  }
}

/** Where the images of a view begin, whose own are `length` long: images of a size are as long as their area. */
function numbersBefore(
  view: number,
  views: readonly ViewRows[],
  sizes: readonly number[],
  length: number,
): number {
  const areas = views.slice(0, view).map(({ clips }, i) => clips.length * sizes[i]! ** 2);
  return (total(areas) / sizes[view]! ** 2) * length;
}

/**
 * What passes made of a batch, in the order of the views that the network sees. With one pass the plan's own array, as long as
 * the batch is; else a copy.
 */
export function rowsOf(
  passes: readonly Pass[],
  use: NetworkUse,
  views: readonly ViewRows[],
  read: (plan: Plan) => Float32Array,
): Float32Array {
  const [only, ...more] = passes;
  const dim = read(only!.plan).length / only!.plan.batch;
  // A plan is of one size; of a smaller batch only the first rows count.
  if (more.length === 0) return read(only!.plan).subarray(0, totalRows(only!, views) * dim);
  const joint = new Float32Array(totalRows(use, views) * dim);
  eachView(passes, use, views, dim, (plan, from, to, at) => {
    joint.set(read(plan).subarray(from, to), at);
  });
  return joint;
}

/** Gives every pass its rows of an array that `rowsOf` made. */
export function returnRows(
  joint: Float32Array,
  passes: readonly Pass[],
  use: NetworkUse,
  views: readonly ViewRows[],
  read: (plan: Plan) => Float32Array,
): void {
  if (passes.length === 1) return;
  const dim = joint.length / totalRows(use, views);
  eachView(passes, use, views, dim, (plan, from, to, at) => {
    read(plan).set(joint.subarray(at, at + to - from), from);
  });
}

/** Calls `visit` for each view that a network sees: where its numbers lie in its pass, and from where on among all of them. */
function eachView(
  passes: readonly Pass[],
  use: NetworkUse,
  views: readonly ViewRows[],
  dim: number,
  visit: (plan: Plan, from: number, to: number, at: number) => void,
): void {
  let at = 0;
  for (const view of seenIn(use, views)) {
    const pass = passes.find(({ views: seen }) => seen.includes(view))!;
    const before = pass.views.slice(0, pass.views.indexOf(view));
    const from = dim * totalRows({ views: before }, views);
    const to = from + dim * views[view]!.clips.length;
    visit(pass.plan, from, to, at);
    at += to - from;
  }
}

/** Rows of the views that a network sees; of held-out clips there are those of the first stream alone. */
export function totalRows(use: Pick<NetworkUse, 'views'>, views: readonly ViewRows[]): number {
  return total(seenIn(use, views).map((view) => views[view]!.clips.length));
}

function seenIn({ views: seen }: Pick<NetworkUse, 'views'>, views: readonly ViewRows[]): readonly number[] {
  return seen.filter((view) => view < views.length);
}

export function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
