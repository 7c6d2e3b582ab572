/**
 * Layers of a configuration, of any schema. Later layers win. Each layer is checked when it is applied, so that an
 * error names the layer it came from. Lists are replaced as a whole.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { messageOf, usageError } from '../base/errors.ts';
import { configError, isTree, keyPaths, type Tree, unknownKey } from './config-errors.ts';
import type { Renamed } from './earlier-keys.ts';

/** What is configured. */
export interface ConfigKind<Config> {
  readonly schema: z.ZodType<Config>;
  /** Named starting points; one is called `default`. */
  readonly presets: Readonly<Record<string, Tree>>;
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
 * Lays the given layers over `under`: preset, file, overrides, settings. Over a `complete` configuration the default
 * preset is left out. Which kind it is may hang on what all layers together ask for. Errors: `CONFIG_UNKNOWN_KEY`,
 * `CONFIG_INVALID`, `CONFIG_FILE`, those of `kindOf`.
 */
export function resolveLayers<Config>(
  kindOf: (asked: Tree) => ConfigKind<Config>,
  under: { readonly tree: Tree; readonly complete: boolean },
  given: GivenLayers,
): Config {
  const { preset: inFile, ...file } = given.file === undefined ? {} : parseConfigFile(given.file);
  const overrides = given.overrides === undefined ? {} : asTree(given.overrides, 'configuration');
  const settings = (given.set ?? []).map(parseSetting);
  const kind = kindOf([file, overrides, ...settings.map(({ tree }) => tree)].reduce(merged, under.tree));
  const named = given.preset ?? inFile ?? (under.complete ? undefined : 'default');
  let tree: Tree = under.tree;
  const preset = named === undefined ? {} : presetIn(kind.presets, named);
  tree = merged(tree, preset);
  const start = merged(under.tree, kind.presets['default'] ?? {});
  const complete = kind.schema.safeParse(start);
  if (!complete.success) throw configError(complete.error, start, { ...kind, known: [] }, 'preset default');
  const known = keyPaths(asTree(complete.data, 'default'));
  const check = (where: string): Config => {
    const result = kind.schema.safeParse(tree);
    if (!result.success) throw configError(result.error, tree, { ...kind, known }, where);
    return result.data;
  };
  if (named !== undefined) check('preset');
  if (given.file !== undefined) {
    tree = merged(tree, file);
    check(given.file.path);
  }
  if (given.overrides !== undefined) {
    tree = merged(tree, overrides);
    check('configuration');
  }
  for (const [i, { path, tree: layer }] of settings.entries()) {
    const where = `--set ${given.set?.[i] ?? path}`;
    if (!known.includes(path)) throw unknownKey(path, { ...kind, known }, where);
    tree = merged(tree, layer);
    check(where);
  }
  return check('configuration');
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
function presetIn(presets: Readonly<Record<string, Tree>>, name: unknown): Tree {
  const preset = typeof name === 'string' && Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset !== undefined) return preset;
  throw usageError(
    'CONFIG_INVALID',
    `There is no preset ${JSON.stringify(name)}: allowed are ${Object.keys(presets).join(', ')}.`,
    'Choose one of those names.',
    { where: 'preset' },
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
function parseSetting(setting: string): { readonly path: string; readonly tree: Tree } {
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
  return {
    path,
    tree: path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree,
  };
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

function merged(under: Tree, over: Tree): Tree {
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
