/**
 * Features as tables: the numbers of a network that is opened here, the names of the clips they are of, in every form; read
 * again by a CSV reader, by hyparquet and by the definition of NumPy's format.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, test } from 'vitest';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { embedFile, type EmbedSummary } from '../../src/embed/embed.ts';
import { type FeatureTable, writeTable } from '../../src/embed/tables.ts';
import { openBackend } from '../../src/engine/open.ts';
import { embedDataset } from '../../src/evaluation/features/embeddings.ts';
import { readCsv } from '../../src/formats/csv.ts';
import { writeTorch } from '../../src/formats/torch/write.ts';
import { embedderOf, loadBackbone, readBackbone } from '../../src/trainer/backbone.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { failureOf } from '../failures.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
const reference = { backend: 'reference' } as const;

interface Row {
  readonly names: Readonly<Record<string, string>>;
  readonly features: readonly number[];
}

/** Clips of two sources, half of them without labels. */
beforeAll(async () => {
  await tinyDataset(at('clips'));
  await tinyDataset(at('more'), { clips: 4, frames: 2, labelled: false });
  await mergeDatasets({ datasets: [at('clips'), at('more')], out: at('both'), prefixes: ['one', 'two'] });
  await tinyRun(at('clips'), at('run'), ['training.epochs=1']);
});

/** What frames and their features are, by a network opened here. */
async function expected(framesPerClip: number): Promise<Row[]> {
  using dataset = openDataset(at('both'));
  using backend = openBackend({ kind: 'reference' });
  const source = await readBackbone(at('run'));
  using network = loadBackbone(backend, source);
  const { view } = source.config;
  const { dim, features, clip, frame } = await embedDataset(dataset, embedderOf(network.plan), {
    framesPerClip,
    fillView: (pixels, record, target, offset) => {
      fillWholeView(pixels, record, view, target, offset);
    },
  });
  return Array.from(clip, (index, row) => {
    const { id, group, label } = dataset.clips[index]!;
    const names = {
      ...{ clip: id, frame: String(frame![row]!), group, label: label ?? '', source: id.split('/')[0]! },
    };
    return { names, features: [...features.subarray(row * dim, (row + 1) * dim)] };
  });
}

const NAMES = ['clip', 'frame', 'group', 'label', 'source'];

function csvRows(path: string): Row[] {
  return readCsv(path, ['clip']).map(({ cells }) => {
    const names = [...cells].filter(([name]) => NAMES.includes(name));
    const numbers = [...cells].filter(([name]) => !NAMES.includes(name));
    expect(numbers.map(([name]) => name)).toEqual(numbers.map((_, i) => `f${i}`));
    return {
      names: Object.fromEntries(names),
      features: numbers.map(([, text]) => Math.fround(Number(text))),
    };
  });
}

async function parquetRows(path: string): Promise<Row[]> {
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return (await parquetReadObjects({ file })).map((record) => {
    const entries = Object.entries(record);
    const names = entries.filter(([name]) => NAMES.includes(name));
    return {
      names: Object.fromEntries(names.map(([name, value]) => [name, value === null ? '' : String(value)])),
      features: entries.filter(([name]) => !NAMES.includes(name)).map(([, value]) => value as number),
    };
  });
}

/** By the definition of the format: a header of text, then numbers. */
function npyRows(path: string): Row[] {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const [, rows, dim] = /'shape': \((\d+), (\d+)\)/.exec(bytes.toString('latin1', 10, start))!;
  const numbers = new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer);
  expect(numbers).toHaveLength(Number(rows) * Number(dim));
  return csvRows(path.replace('.npy', '.rows.csv')).map(({ names }, row) => ({
    names,
    features: [...numbers.subarray(row * Number(dim), (row + 1) * Number(dim))],
  }));
}

const READERS = { csv: csvRows, parquet: parquetRows, npy: npyRows } as const;

describe.each(['csv', 'parquet', 'npy'] as const)('as %s', (format) => {
  const rowsOf = (name: string) => READERS[format](at(`${name}.${format}`));
  const embed = (name: string, options: object): Promise<EmbedSummary> =>
    embedFile(at('run'), at('both'), at(`${name}.${format}`), { ...reference, ...options });

  test('a row is a frame, with its names and its features to the last bit', async () => {
    const summary = await embed('frames', { framesPerClip: 3 });
    const wanted = await expected(3);
    // Ten clips of four frames, four of two.
    expect(wanted).toHaveLength(38);
    expect(await rowsOf('frames')).toEqual(wanted);
    expect(summary).toMatchObject({
      ...{ rows: 38, clips: 14, unlabelled: 4, per: 'frame', format, dataset: 'one+two' },
      // The ten that the run was trained on.
      ...{ seen: 10, labelsSeen: 10 },
      rowsFile: format === 'npy' ? at('frames.rows.csv') : null,
    });
  });

  test('a row is a clip: the mean of its frames', async () => {
    await embed('whole', { framesPerClip: 2, per: 'clip' });
    const frames = await expected(2);
    const rows = await rowsOf('whole');
    expect(rows.map(({ names }) => names['clip'])).toEqual([
      ...new Set(frames.map(({ names }) => names['clip'])),
    ]);
    for (const { names, features } of rows) {
      expect(names).not.toHaveProperty('frame');
      const own = frames.filter((one) => one.names['clip'] === names['clip']);
      features.forEach((value, i) => {
        const mean = own.reduce((sum, one) => sum + one.features[i]!, 0) / own.length;
        expect(value).toBe(Math.fround(mean));
      });
    }
  });
});

const table = (id: string): FeatureTable => ({
  rows: [
    { clip: id, frame: 0, group: 'g', label: null, source: 's' },
    { clip: 'plain', frame: 1, group: 'g', label: 'x', source: 's' },
  ],
  dim: 3,
  features: Float32Array.of(0.1, -0, 1e-45, 3.4028235e38, 1 / 3, 16_777_217),
  about: { dataset: 'made up' },
});

test('names with separators, quotes and line breaks, and numbers at the ends of their range, come back', async () => {
  for (const id of ['a,b', 'says "so"', 'two\nlines', 'ü/é 中']) {
    for (const format of ['csv', 'parquet'] as const) {
      writeTable(table(id), at(`odd.${format}`), format);
      const rows = await READERS[format](at(`odd.${format}`));
      expect(rows[0]!.names['clip']).toBe(id);
      expect(rows[0]!.names['label']).toBe('');
      const numbers = Float32Array.from(rows.flatMap(({ features }) => features));
      // CSV has one zero.
      expect([...numbers].map((value) => value + 0)).toEqual(
        [...table(id).features].map((value) => value + 0),
      );
    }
  }
});

test('a Parquet file says what it is of', async () => {
  writeTable(table('a'), at('told.parquet'), 'parquet');
  const bytes = readFileSync(at('told.parquet'));
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { key_value_metadata: told } = await parquetMetadataAsync(file);
  expect(told).toContainEqual({ key: 'dataset', value: 'made up' });
});

describe('is refused', () => {
  const embed = (out: string, options: object = {}) =>
    failureOf(embedFile(at('run'), at('both'), at(out), { ...reference, framesPerClip: 1, ...options }));

  test('under a name that says no form', async () => {
    expect(await embed('features.txt')).toMatchObject({
      code: 'FORMAT_UNKNOWN',
      kind: 'usage',
      remedy: expect.stringContaining('.parquet') as string,
    });
    expect(existsSync(at('features.txt'))).toBe(false);
    await embedFile(at('run'), at('both'), at('features.txt'), {
      ...reference,
      format: 'csv',
      framesPerClip: 1,
    });
    expect(csvRows(at('features.txt'))).toHaveLength(14);
  });

  test('where a file would be replaced unasked, the names of rows too', async () => {
    writeFileSync(at('kept.csv'), 'mine');
    expect(await embed('kept.csv')).toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(readFileSync(at('kept.csv'), 'utf8')).toBe('mine');
    writeFileSync(at('kept.rows.csv'), 'mine');
    expect(await embed('kept.npy')).toMatchObject({ code: 'OUTPUT_EXISTS', where: at('kept.rows.csv') });
    expect(existsSync(at('kept.npy'))).toBe(false);
    await embedFile(at('run'), at('both'), at('kept.npy'), {
      ...reference,
      framesPerClip: 1,
      overwrite: true,
    });
    expect(npyRows(at('kept.npy'))).toHaveLength(14);
  });

  test('when it is stopped, and leaves nothing', async () => {
    const controller = new AbortController();
    const stopped = embedFile(at('run'), at('both'), at('stopped.npy'), {
      ...reference,
      signal: controller.signal,
      onProgress: () => {
        controller.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toThrow('enough');
    expect([existsSync(at('stopped.npy')), existsSync(at('stopped.rows.csv'))]).toEqual([false, false]);
  });
});

test('weights of another tool: nobody knows what they have seen', async () => {
  const { weights } = await readBackbone(at('run'));
  const named = [...weights].map(([name, { shape, data }]) => ({
    name,
    shape,
    data: Float32Array.from(data),
  }));
  writeTorch(at('theirs.pth'), named);
  const summary = await embedFile(at('theirs.pth'), at('clips'), at('theirs.csv'), {
    ...reference,
    framesPerClip: 1,
  });
  expect(summary).toMatchObject({ seen: null, labelsSeen: null, weights: { step: null } });
});
