/** What lies in the folders that a program wrote, as values by name: datasets, runs, checkpoints, and any other file. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { outline, sha, steady, type Tree, type Value } from './record.ts';

/** The manifest; of every clip its facts and the digests of its pixels and masks; the whole files. */
export function datasetOf(folder: string): Value {
  if (!existsSync(join(folder, 'dataset.json'))) return null;
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'dataset.json'), 'utf8'));
  const lines = readFileSync(join(folder, 'clips.jsonl'), 'utf8').split('\n').filter(Boolean);
  const frames = readFileSync(join(folder, 'frames.bin'));
  const masks = existsSync(join(folder, 'masks.bin')) ? readFileSync(join(folder, 'masks.bin')) : null;
  const channels = numberAt(manifest, 'channels');
  const clips = lines.map((line) => {
    const clip: unknown = JSON.parse(line);
    const [count, width, height] = ['frames', 'width', 'height'].map((key) => numberAt(clip, key));
    const pixels = count! * width! * height!;
    const bytes = frames.subarray(numberAt(clip, 'offset')).subarray(0, pixels * channels);
    const mask = masks?.subarray(numberAt(clip, 'mask')).subarray(0, pixels);
    const { id, label, group, flags, offset: _o, mask: at, ...rest } = clip as Record<string, unknown>;
    const facts = `${count} × ${height} × ${width}, ${String(label)}, ${String(group)}, ${String(flags)}`;
    const masked = at === null || mask === undefined ? '' : `, masks ${sha(mask)}`;
    return [String(id), `${facts}; record ${sha(JSON.stringify(rest))}, pixels ${sha(bytes)}${masked}`];
  });
  return {
    files: readdirSync(folder).sort(),
    'dataset.json': outline(manifest),
    clips: Object.fromEntries(clips) as Tree,
    order: sha(clips.map(([id]) => id).join('\n')),
    'clips.jsonl': sha(lines.join('\n')),
    'frames.bin': sha(frames),
    'masks.bin': masks === null ? null : sha(masks),
  };
}

function numberAt(value: unknown, key: string): number {
  const found = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : 0;
  return typeof found === 'number' ? found : 0;
}

/** What this machine put into a run, by the run's own word, and the commit of the program. */
export function machineOf(run: string): Tree {
  const path = join(run, 'environment.json');
  if (!existsSync(path)) return {};
  const { cpu, backend, uscl, revision } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Value>;
  return { uscl: uscl ?? null, cpu: cpu ?? null, backend: backend ?? null, revision: revision ?? null };
}

export interface FolderOptions {
  /** Checkpoints whose tensors are named one by one; of others there is one digest over all tensors. */
  readonly tensors?: readonly string[];
  /** Of a log the losses and a digest of each entry, in place of the entry; of JSON the first level by name. */
  readonly brief?: boolean;
}

/** Every file below a folder, by its path: the content where it is short and steady, else digests of its parts. */
export function folderOf(folder: string, options: FolderOptions = {}): Value {
  if (!existsSync(folder)) return null;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
  const events = files.filter((path) => path.includes('events.out.tfevents'));
  const entries = files
    .filter((path) => !events.includes(path) && path !== 'environment.json')
    .map((path) => [path, fileOf(join(folder, path), path, options)] as const);
  return {
    ...Object.fromEntries(entries),
    ...(events.length === 0 ? {} : { events: eventsOf(events.map((path) => join(folder, path))) }),
  };
}

function fileOf(path: string, name: string, options: FolderOptions): Value {
  const bytes = readFileSync(path);
  if (name.endsWith('.safetensors')) return tensorsOf(bytes, options.tensors?.includes(name) ?? false);
  if (name.endsWith('.jsonl')) return logOf(bytes.toString('utf8'), options.brief ?? false);
  if (name.endsWith('.json'))
    return outline(JSON.parse(bytes.toString('utf8')), { depth: options.brief === true ? 1 : 2 });
  return `${bytes.length} bytes, ${sha(bytes)}`;
}

/** A safetensors file, read by the format's description: a length, a JSON header, the bytes. */
function tensorsOf(file: Buffer, isNamed: boolean): Value {
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, start).toString('utf8')) as Record<string, unknown>;
  const { __metadata__: metadata, ...tensors } = header;
  const digests = Object.entries(tensors)
    .map(([name, tensor]) => {
      const { dtype, shape, data_offsets } = tensor as Record<string, Value> & {
        data_offsets: [number, number];
      };
      const bytes = file.subarray(start + data_offsets[0], start + data_offsets[1]);
      return [name, `${JSON.stringify(dtype)} ${JSON.stringify(shape)} ${sha(bytes)}`] as const;
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    metadata: outline(metadata),
    tensors: isNamed
      ? Object.fromEntries(digests)
      : `${digests.length} tensors, ${sha(JSON.stringify(digests))}`,
  };
}

/** The entries of a log by kind and step, without times. */
function logOf(text: string, isBrief: boolean): Value {
  const entries = text
    .split('\n')
    .filter(Boolean)
    .map((line) => steady(JSON.parse(line) as unknown) as Tree);
  return Object.fromEntries(
    entries.map((entry, i) => {
      const { kind, step, ...rest } = entry;
      return [
        `${i + 1} ${JSON.stringify(kind)} ${JSON.stringify(step)}`.replaceAll('"', ''),
        isBrief
          ? `${JSON.stringify(rest['loss'] ?? rest['trainLoss'] ?? null)}, ${sha(JSON.stringify(rest))}`
          : rest,
      ];
    }),
  );
}

/**
 * Points of TensorBoard's files by tag, with the digest of their steps and values. The last file that has a step holds
 * it: a run that was resumed says some steps twice, the second time in a new file.
 */
function eventsOf(paths: readonly string[]): Value {
  const points = new Map<string, Map<number, string>>();
  for (const path of paths) {
    const bytes = readFileSync(path);
    for (let at = 0; at + 16 <= bytes.length;) {
      const length = Number(bytes.readBigUInt64LE(at));
      const event = fieldsOf(bytes.subarray(at + 12, at + 12 + length));
      at += 16 + length;
      const step = Number(event.get(2)?.[0] ?? 0);
      if (event.has(7)) for (const steps of points.values()) cutAt(steps, step);
      for (const summary of event.get(5) ?? [])
        for (const value of fieldsOf(summary as Buffer).get(1) ?? []) {
          const point = fieldsOf(value as Buffer);
          const tag = (point.get(1)?.[0] as Buffer).toString('utf8');
          if (UNSTEADY_TAGS.test(tag)) continue;
          const steps = points.get(tag) ?? new Map<number, string>();
          steps.set(step, (point.get(2)?.[0] as Buffer | undefined)?.toString('hex') ?? '');
          points.set(tag, steps);
        }
    }
  }
  return Object.fromEntries(
    [...points]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tag, steps]) => [tag, `${steps.size} points, ${sha(JSON.stringify([...steps]))}`]),
  );
}

const UNSTEADY_TAGS = /(seconds|PerSecond|WaitShare|memory)$/i;

/** A session that starts at a step takes back what earlier ones said from there on. */
function cutAt(steps: Map<number, string>, from: number): void {
  for (const step of steps.keys()) if (step >= from) steps.delete(step);
}

/** The fields of a protocol-buffer message by number: bytes, or a whole number. */
function fieldsOf(message: Buffer): ReadonlyMap<number, (Buffer | bigint)[]> {
  const fields = new Map<number, (Buffer | bigint)[]>();
  let at = 0;
  const varint = (): bigint => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = BigInt(message[at++] ?? 0);
      value |= (byte & 0x7fn) << shift;
      if ((byte & 0x80n) === 0n) return value;
      shift += 7n;
    }
  };
  while (at < message.length) {
    const key = Number(varint());
    const wire = key & 7;
    let value: Buffer | bigint;
    if (wire === 0) value = varint();
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
      value = message.subarray(at, at + length);
      at += length;
    }
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  return fields;
}
