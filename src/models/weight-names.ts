/**
 * Names that other tools give to the tensors of a ResNet, matched with torchvision's. What stands before a name is a prefix,
 * whatever it is (`backbone.`, `module.encoder_q.`, `state_dict.`); a network that was made as a list of torchvision's layers has
 * numbers in their place, as in the published code of USCL (`features.0.weight`) and in Lightly.
 */

/** A network that was found among names. */
export interface NamedNetwork {
  /** What stands before its names. */
  readonly prefix: string;
  /** Its names → torchvision's. */
  readonly names: ReadonlyMap<string, string>;
}

const BLOCK = String.raw`\d+\.(?:conv[123]|bn[123]|downsample\.[01])`;
const KIND = 'weight|bias|running_mean|running_var';
const BY_NAME = new RegExp(String.raw`^((?:.*?\.)??)((?:conv1|bn1|layer[1-4]\.${BLOCK})\.(?:${KIND}))$`);
const BY_NUMBER = new RegExp(
  String.raw`^((?:.*?\.)??)(?:([01])\.(${KIND})|([4-7])\.(${BLOCK}\.(?:${KIND})))$`,
);

/** Prefixes of a network that only follows another one. */
const FOLLOWERS = /target|momentum|teacher|ema|encoder_k|key/i;

/**
 * Every ResNet among these names, the likeliest first: the one with most tensors; of equals one that does not follow another
 * by a moving average, then the one with the shortest prefix.
 */
export function networksIn(names: Iterable<string>): readonly NamedNetwork[] {
  const found = new Map<string, Map<string, string>>();
  const note = (prefix: string, theirs: string, ours: string): void => {
    const own = found.get(prefix) ?? new Map<string, string>();
    found.set(prefix, own.set(theirs, ours));
  };
  for (const name of names) {
    const [, prefix, ours] = BY_NAME.exec(name) ?? [];
    if (prefix !== undefined) note(prefix, name, ours!);
    const [, before, stem, kind, stage, rest] = BY_NUMBER.exec(name) ?? [];
    if (before === undefined) continue;
    if (stem !== undefined) note(before, name, `${stem === '0' ? 'conv1' : 'bn1'}.${kind!}`);
    else note(before, name, `layer${Number(stage) - 3}.${rest!}`);
  }
  const all = [...found].map(([prefix, own]) => ({ prefix, names: own }));
  // A first convolution alone may be that of any block of any network, a number alone any layer.
  const whole = all.filter((one) => [...one.names.values()].some((name) => name.startsWith('layer')));
  const named = all.filter((one) => [...one.names].some(([theirs, ours]) => theirs.endsWith(ours)));
  return (whole.length > 0 ? whole : named).sort(
    (a, b) =>
      b.names.size - a.names.size ||
      Number(FOLLOWERS.test(a.prefix)) - Number(FOLLOWERS.test(b.prefix)) ||
      a.prefix.length - b.prefix.length,
  );
}
