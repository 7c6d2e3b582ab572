/**
 * Earlier names of configuration keys, and their present names. New commands refuse an old key by naming the new
 * one. `upgraded` reads the configuration of a run that an earlier version wrote. No other module knows of earlier
 * forms.
 */
import { isTree, type Tree } from './config-errors.ts';

/** Old key → new key; a group stands for the keys in it. */
export type Renamed = Readonly<Record<string, string>>;

/** The form that is written now. A configuration without a version is of form 1. */
export const CONFIG_VERSION = 2;

/** Pretraining, since form 2: a method has its options beside its name, and a batch has a size. */
export const PRETRAIN_KEYS: Renamed = {
  method: 'method.name',
  objective: 'method',
  'objective.temperature': 'method.temperature',
  'objective.supervisedWeight': 'method.supervisedWeight',
  'objective.supervisedReduction': 'method.supervisedReduction',
  'model.projection': 'method.projection',
  'model.projection.hidden': 'method.projection.hidden',
  'model.projection.dim': 'method.projection.dim',
  'model.classifierInput': 'method.classifierInput',
  'batch.pairs': 'batch.size',
};

/** Fine-tuning, since form 2: what pretraining has too is called the same. */
export const FINETUNE_KEYS: Renamed = {
  batch: 'batch.size',
  epochs: 'training.epochs',
  clipNorm: 'training.clipNorm',
};

/** A saved configuration in the form that is written now, without its version. */
export function upgraded(saved: unknown): unknown {
  if (!isTree(saved)) return saved;
  const { version = 1, ...tree } = saved;
  if (version !== 1) return tree;
  return moved(tree, tree['task'] === 'finetune' ? FINETUNE_KEYS : PRETRAIN_KEYS);
}

/** Every old key that is there, put in its new place. */
function moved(tree: Tree, keys: Renamed): Tree {
  // Groups would take keys along that have places of their own.
  const single = Object.entries(keys).filter(
    ([old]) => !Object.keys(keys).some((key) => key.startsWith(`${old}.`)),
  );
  const found = single.flatMap(([old, now]) => {
    const value = old
      .split('.')
      .reduce<unknown>((inner, key) => (isTree(inner) ? inner[key] : undefined), tree);
    return value === undefined ? [] : [{ old: old.split('.'), now: now.split('.'), value }];
  });
  const rest = found.reduce((left, { old }) => without(left, old), tree);
  return found.reduce((whole, { now, value }) => withValue(whole, now, value), rest);
}

/** Without a key; a group that it leaves empty goes too. */
function without(tree: Tree, [key = '', ...inner]: readonly string[]): Tree {
  const { [key]: value, ...rest } = tree;
  if (inner.length === 0 || !isTree(value)) return rest;
  const left = without(value, inner);
  return Object.keys(left).length === 0 ? rest : { ...tree, [key]: left };
}

function withValue(tree: Tree, [key = '', ...inner]: readonly string[], value: unknown): Tree {
  const below = tree[key];
  return { ...tree, [key]: inner.length === 0 ? value : withValue(isTree(below) ? below : {}, inner, value) };
}
