/**
 * From what a person gives to a complete, checked configuration. Later layers win: a saved run or the dataset's
 * channels, preset, YAML file, overrides of a program, `key=value` settings. Lists are replaced as a whole.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { messageOf, UsclError } from '../base/errors.ts';
import { configError, isTree, keyPaths, type Tree, unknownKey } from './config-errors.ts';
import { type Config, configSchema } from './config.ts';
import { type Preset, PRESETS } from './presets.ts';

export interface ConfigSources {
  /** Default: the preset named in the file (`preset: reference`), else `default`. */
  readonly preset?: Preset;
  /** Channels of the dataset: what `view.channels` is unless a source says otherwise. */
  readonly channels?: 1 | 3;
  /** A saved run's configuration; the other sources are laid over it. */
  readonly base?: Config;
  /** YAML (or JSON) text of a partial configuration, and what to call it in messages. */
  readonly file?: { readonly path: string; readonly text: string };
  /** `key.path=value`, the value in YAML. */
  readonly set?: readonly string[];
  /** A partial configuration of a program. */
  readonly overrides?: unknown;
}

/** Complete configuration of `sources`. Errors: `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`. */
export function resolveConfig(sources: ConfigSources = {}): Config {
  const { preset: inFile, ...file } = sources.file === undefined ? {} : parseConfigFile(sources.file);
  const named = sources.preset ?? (inFile === undefined ? undefined : presetNamed(inFile));
  let tree: Tree = sources.base ?? { view: { channels: sources.channels ?? 1 } };
  if (named !== undefined || sources.base === undefined) tree = merged(tree, PRESETS[named ?? 'default']);
  const known = keyPaths(configSchema.parse(PRESETS.default));
  if (sources.file !== undefined) {
    tree = merged(tree, file);
    check(tree, known, sources.file.path);
  }
  if (sources.overrides !== undefined) {
    tree = merged(tree, asTree(sources.overrides, 'configuration'));
    check(tree, known, 'configuration');
  }
  for (const setting of sources.set ?? []) {
    tree = merged(tree, parseSetting(setting, known));
    check(tree, known, `--set ${setting}`);
  }
  return check(tree, known, 'configuration');
}

/** The file's text, or `CONFIG_FILE` naming the path. */
export function readConfigFile(path: string): { readonly path: string; readonly text: string } {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (thrown) {
    throw new UsclError({
      kind: 'usage',
      code: 'CONFIG_FILE',
      message: `Cannot read the configuration file ${path}: ${messageOf(thrown)}.`,
      where: path,
      remedy: 'Give the path of a YAML file; docs/configuration.md shows one.',
      cause: thrown,
    });
  }
}

/** The preset of this name, or `CONFIG_INVALID`. */
export function presetNamed(name: unknown): Preset {
  const names = Object.keys(PRESETS);
  const preset = names.find((known): known is Preset => known === name);
  if (preset !== undefined) return preset;
  throw new UsclError({
    kind: 'usage',
    code: 'CONFIG_INVALID',
    message: `There is no preset ${JSON.stringify(name)}: allowed are ${names.join(', ')}.`,
    where: 'preset',
    remedy: 'Choose one of those names.',
  });
}

function check(tree: Tree, known: readonly string[], where: string): Config {
  const result = configSchema.safeParse(tree);
  if (!result.success) throw configError(result.error, tree, known, where);
  return result.data;
}

function parseConfigFile({ path, text }: { readonly path: string; readonly text: string }): Tree {
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 100 });
  } catch (thrown) {
    throw new UsclError({
      kind: 'usage',
      code: 'CONFIG_FILE',
      message: `The configuration file is not valid YAML: ${messageOf(thrown).split('\n')[0] ?? ''}.`,
      where: path,
      remedy: 'Mend the file at that line; docs/configuration.md shows one.',
      cause: thrown,
    });
  }
  return asTree(value ?? {}, path);
}

/** `a.b=1` → { a: { b: 1 } }. */
function parseSetting(setting: string, known: readonly string[]): Tree {
  const at = setting.indexOf('=');
  if (at < 1)
    throw new UsclError({
      kind: 'usage',
      code: 'CONFIG_INVALID',
      message: `A setting is key=value, not "${setting}".`,
      where: `--set ${setting}`,
      remedy: 'Write for example --set optimizer.learningRate=0.001',
    });
  const path = setting.slice(0, at);
  if (!known.includes(path)) throw unknownKey(path, known, `--set ${setting}`);
  let value: unknown;
  try {
    value = parseYaml(setting.slice(at + 1));
  } catch {
    value = setting.slice(at + 1);
  }
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree;
}

function asTree(value: unknown, where: string): Tree {
  if (isTree(value)) return value;
  throw new UsclError({
    kind: 'usage',
    code: 'CONFIG_INVALID',
    message: `A configuration is a group of keys, not ${JSON.stringify(value)}.`,
    where,
    remedy: 'Write keys and values, for example "training: {epochs: 100}".',
  });
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
