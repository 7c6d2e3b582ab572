/**
 * A network that sees images of several sizes runs once for each size. What its passes make of a batch is one array, in the
 * order of the views that the network sees, and gradients go back the same way.
 */
import type { Plan } from '../../engine/core/backend.ts';
import type { NetworkUse, ViewRows } from '../../methods/method.ts';

/** A plan and the views that it sees, one after the other. */
export interface Pass {
  readonly plan: Plan;
  readonly views: readonly number[];
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
