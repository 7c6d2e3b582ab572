/**
 * Layers of a configuration, of any schema. Later layers win. Each layer is checked when it is applied, so that an
 * error names the layer it came from. Lists are replaced as a whole.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { messageOf, usageError } from '../base/errors.ts';
import { configError, isTree, keyPaths, type Tree, unknownKey, valueAt } from './config-errors.ts';
import type { Renamed } from './earlier-keys.ts';

/** What is configured. */
export interface ConfigKind<Config> {
  readonly schema: z.ZodType<Config>;
  /** Named starting points; one is called `default`. */
  readonly presets: Readonly<Record<string, Tree>>;
  /** Groups of keys with named starting points of their own, by path; the key `preset` in the group chooses one. */
  readonly parts: Readonly<Record<string, Readonly<Record<string, Tree>>>>;
  /** Page that explains every key. */
  readonly guide: string;
  /** What keys were called before. */
  readonly renamed: Renamed;
}

/** Where a person or a program says what it wants. */
export interface GivenLayers {
  /** Name of a starting point. Default: the one named in the file (`preset: reference`), else `default`. */
  readonly preset?: string;
  /** YAML (or JSON) text of a partial configuration, and what to call it in messages. */
  readonly file?: ConfigFile;
  /** `key.path=value`, the value in YAML. */
  readonly set?: readonly string[];
  /** A partial configuration of a program. */
  readonly overrides?: unknown;
}

/** A configuration file, read. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Lays the given layers over `under`: preset, presets of parts, file, overrides, settings. So a key that somebody gives
 * wins over a preset, wherever the preset is named; of several names for one part the last counts. Over a `complete`
 * configuration the default preset is left out. Which kind it is may depend on what all layers together ask for. Errors:
 * `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`, those of `kindOf`.
 */
export function resolveLayers<Config>(
  kindOf: (asked: Tree) => ConfigKind<Config>,
  under: { readonly tree: Tree; readonly complete: boolean },
  given: GivenLayers,
): Config {
  const { inFile, layers } = layersIn(given);
  const kind = kindOf(layers.map(({ tree }) => tree).reduce(merged, under.tree));
  const named = given.preset ?? inFile ?? (under.complete ? undefined : 'default');
  const preset = named === undefined ? {} : presetIn(kind.presets, named, 'preset');
  const start = merged(under.tree, startOf(kind, kind.presets['default'] ?? {}));
  const complete = kind.schema.safeParse(start);
  if (!complete.success) throw configError(complete.error, start, { ...kind, known: [] }, 'preset default');
  const known = keyPaths(asTree(complete.data, 'default')).concat(
    Object.keys(kind.parts).map((part) => `${part}.preset`),
  );
  let tree = merged(under.tree, startOf(kind, preset));
  const check = (where: string): Config => {
    const result = kind.schema.safeParse(tree);
    if (!result.success) throw configError(result.error, tree, { ...kind, known }, where);
    return result.data;
  };
  if (named !== undefined) check('preset');
  const parts = layers.map((layer) => partsNamed(kind, layer));
  for (const part of parts) tree = merged(tree, part.presets);
  for (const [i, { where, path }] of layers.entries()) {
    if (path !== undefined && !known.includes(path)) throw unknownKey(path, { ...kind, known }, where);
    tree = merged(revived(kind, tree, parts[i]!.presets), parts[i]!.rest);
    check(where);
  }
  return check('configuration');
}

/** What all layers together ask for, unchecked and without presets. Errors: `CONFIG_INVALID`, `CONFIG_FILE`. */
export function askedOf(given: GivenLayers): Tree {
  return layersIn(given)
    .layers.map(({ tree }) => tree)
    .reduce(merged, {});
}

/** The layers over the presets, and the preset that the file names. */
function layersIn(given: GivenLayers): { readonly inFile: unknown; readonly layers: readonly Layer[] } {
  const { preset: inFile, ...file } = given.file === undefined ? {} : parseConfigFile(given.file);
  const overrides = given.overrides === undefined ? {} : asTree(given.overrides, 'configuration');
  const settings = (given.set ?? []).map(parseSetting);
  const layers: readonly Layer[] = [
    ...(given.file === undefined ? [] : [{ tree: file, where: given.file.path }]),
    ...(given.overrides === undefined ? [] : [{ tree: overrides, where: 'configuration' }]),
    ...settings,
  ];
  return { inFile, layers };
}

/** What one source gives, and what to call it in messages. */
interface Layer {
  readonly tree: Tree;
  readonly where: string;
  /** The single key that it sets. */
  readonly path?: string;
}

/** A starting point with the presets of parts that it names below its own keys. */
function startOf(kind: Pick<ConfigKind<unknown>, 'parts'>, tree: Tree): Tree {
  const { presets, rest } = partsNamed(kind, { tree, where: 'preset' });
  return merged(presets, rest);
}

/** The presets of parts that a layer names, and the layer without those names. Error: `CONFIG_INVALID`. */
function partsNamed(
  { parts }: Pick<ConfigKind<unknown>, 'parts'>,
  { tree, where }: Layer,
): { readonly presets: Tree; readonly rest: Tree } {
  return Object.entries(parts).reduce(
    (found, [part, choices]) => {
      const path = part.split('.');
      const group = valueAt(found.rest, path);
      if (!isTree(group) || !Object.hasOwn(group, 'preset')) return found;
      const { preset, ...keys } = group;
      const chosen = presetIn(choices, preset, `${where}, key ${part}.preset`);
      return {
        presets: merged(found.presets, treeAt(path, chosen)),
        rest: replacedAt(found.rest, path, keys),
      };
    },
    { presets: {}, rest: tree },
  );
}

/** The tree with a part that an earlier layer took away (null) as the preset has it that is named now. */
function revived({ parts }: Pick<ConfigKind<unknown>, 'parts'>, tree: Tree, presets: Tree): Tree {
  return Object.keys(parts).reduce((under, part) => {
    const path = part.split('.');
    const named = valueAt(presets, path);
    return !isTree(named) || isTree(valueAt(under, path)) ? under : merged(under, treeAt(path, named));
  }, tree);
}

/** The tree with another value at a path that is there. */
function replacedAt(tree: Tree, [key = '', ...inner]: readonly string[], value: Tree): Tree {
  const below = tree[key];
  return { ...tree, [key]: inner.length === 0 || !isTree(below) ? value : replacedAt(below, inner, value) };
}

/** The file's text, or `CONFIG_FILE` naming the path. */
export function readConfigFile(path: string): ConfigFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (thrown) {
    throw usageError(
      'CONFIG_FILE',
      `Cannot read the configuration file ${path}: ${messageOf(thrown)}.`,
      'Give the path of a YAML file; docs/configuration.md shows one.',
      { where: path, cause: thrown },
    );
  }
}

/** The preset of this name. Error: `CONFIG_INVALID`. */
function presetIn(presets: Readonly<Record<string, Tree>>, name: unknown, where: string): Tree {
  const preset = typeof name === 'string' && Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset !== undefined) return preset;
  throw usageError(
    'CONFIG_INVALID',
    `There is no preset ${JSON.stringify(name)}: allowed are ${Object.keys(presets).join(', ')}.`,
    'Choose one of those names.',
    { where },
  );
}

function parseConfigFile({ path, text }: ConfigFile): Tree {
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 100 });
  } catch (thrown) {
    throw usageError(
      'CONFIG_FILE',
      `The configuration file is not valid YAML: ${messageOf(thrown).split('\n')[0] ?? ''}.`,
      'Mend the file at that line; docs/configuration.md shows one.',
      { where: path, cause: thrown },
    );
  }
  return asTree(value ?? {}, path);
}

/** `a.b=1` → { a: { b: 1 } }. */
function parseSetting(setting: string): Layer & { readonly path: string } {
  const at = setting.indexOf('=');
  if (at < 1)
    throw usageError(
      'CONFIG_INVALID',
      `A setting is key=value, not "${setting}".`,
      'Write for example --set optimizer.learningRate=0.001',
      { where: `--set ${setting}` },
    );
  const path = setting.slice(0, at);
  let value: unknown;
  try {
    value = parseYaml(setting.slice(at + 1));
  } catch {
    value = setting.slice(at + 1);
  }
  return { tree: treeAt(path.split('.'), value), where: `--set ${setting}`, path };
}

/** A tree with one value in it, at the path. */
function treeAt(path: readonly string[], value: unknown): Tree {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree;
}

function asTree(value: unknown, where: string): Tree {
  if (isTree(value)) return value;
  throw usageError(
    'CONFIG_INVALID',
    `A configuration is a group of keys, not ${JSON.stringify(value)}.`,
    'Write keys and values, for example "training: {epochs: 100}".',
    { where },
  );
}

/** A tree laid over another: keys of `over` win; lists are replaced as a whole. */
export function merged(under: Tree, over: Tree): Tree {
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    // Through defineProperty, so that a key like "__proto__" is just an unknown key.
    const below = Object.hasOwn(result, key) ? result[key] : undefined;
    Object.defineProperty(result, key, {
      value: isTree(value) ? merged(isTree(below) ? below : {}, value) : value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return result;
}
