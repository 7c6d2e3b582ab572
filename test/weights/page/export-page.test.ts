/** The folder that is a page: whole or not at all, the same bytes twice, and its parts are the exported model and the runtime. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { readOnnx } from '../../../src/formats/onnx/read.ts';
import { exportWeights } from '../../../src/weights/export-weights.ts';
import { exportPage } from '../../../src/weights/web/export-page.ts';
import type { PageFacts, PartName } from '../../../src/weights/web/facts.ts';
import { compileProgram, uscl } from '../../cli/run.ts';
import { failureOf } from '../../failures.ts';
import { writeModel } from '../../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../../pretrain/support.ts';
import { CLASSES } from './support.ts';

const scratch = scratchFolder();
const at = (...names: string[]): string => join(scratch, ...names);
let model = '';

beforeAll(() => {
  compileProgram();
  const ingest = { fps: 4, size: 96, channels: 1, crop: 'auto' } as const;
  model = writeModel(scratch, { classes: CLASSES, view: { size: 48 }, width: 24, ingest });
});

const index = (folder: string): string => readFileSync(join(folder, 'index.html'), 'utf8');

function factsOf(folder: string): PageFacts {
  const [, text = ''] = /<script type="application\/json" id="facts">([\s\S]*?)<\/script>/.exec(
    index(folder),
  )!;
  return JSON.parse(text) as PageFacts;
}

/** The bytes of a part, put together from its scripts by hand. */
function unpacked(folder: string, part: PartName): Buffer {
  const { pieces, bytes } = factsOf(folder).parts[part];
  const texts = Array.from({ length: pieces }, (_, i) => {
    const text = readFileSync(join(folder, 'parts', `${part}-${i + 1}.js`), 'utf8');
    const [, base64 = ''] = new RegExp(`^usclPiece\\("${part}",${i + 1},"([A-Za-z0-9+/=]*)"\\);\\n$`).exec(
      text,
    )!;
    return Buffer.from(base64, 'base64');
  });
  const whole = gunzipSync(Buffer.concat(texts));
  expect(whole.length).toBe(bytes);
  return whole;
}

describe('an exported page', () => {
  beforeAll(async () => {
    await exportPage(model, at('page'));
  });

  test('has the model that an export writes, and the pinned runtime', async () => {
    await exportWeights(model, at('same.onnx'), { format: 'onnx', fold: true });
    expect(unpacked(at('page'), 'model').equals(readFileSync(at('same.onnx')))).toBe(true);
    writeFileSync(at('back.onnx'), unpacked(at('page'), 'model'));
    expect(JSON.parse(readOnnx(at('back.onnx')).metadata['classes']!)).toEqual(CLASSES);
    const wasm = readFileSync(
      join(
        import.meta.dirname,
        '..',
        '..',
        '..',
        'node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm',
      ),
    );
    expect(unpacked(at('page'), 'runtime').equals(wasm)).toBe(true);
  });

  test('is told how the clips of the model were ingested', () => {
    expect(factsOf(at('page'))).toMatchObject({
      ...{ classes: CLASSES, channels: 1, fps: 4, size: 96, crop: 'auto', abstainBelow: 0.6 },
    });
  });

  test('holds nothing else, and is the same bytes when it is exported again', async () => {
    const summary = await exportPage(model, at('again'));
    const names = readdirSync(at('page'), { recursive: true, encoding: 'utf8' }).sort();
    expect(names).toEqual([
      ...['index.html', 'licences.txt', 'page.css', 'page.js', 'parts'],
      ...['parts/model-1.js', 'parts/model-2.js', 'parts/runtime-1.js', 'parts/runtime-2.js'],
    ]);
    let bytes = 0;
    for (const name of names.filter((one) => one.includes('.'))) {
      const file = readFileSync(at('page', name));
      bytes += file.length;
      expect(file.equals(readFileSync(at('again', name))), name).toBe(true);
    }
    expect(summary).toMatchObject({ format: 'web', part: 'classifier', classes: CLASSES, bytes });
    expect(readdirSync(scratch).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('lets no request out, and names of classes are text', () => {
    const text = index(at('page'));
    const [, policy = ''] = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(text)!;
    const rules = new Map(
      policy
        .replaceAll('&#39;', "'")
        .split('; ')
        .map((rule) => {
          const [name = '', ...sources] = rule.split(' ');
          return [name, sources.join(' ')];
        }),
    );
    expect(rules.get('default-src')).toBe("'none'");
    expect(rules.get('connect-src')).toBe("'none'");
    expect(rules.get('script-src')).toBe("'self' 'wasm-unsafe-eval'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-inline|'unsafe-eval'/);
    expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(text).not.toContain('<b>normal');
    expect(text).toContain('&lt;b&gt;normal&lt;/b&gt;');
  });

  test('says what it is not', () => {
    const text = index(at('page')).replaceAll(/\s+/g, ' ');
    expect(text).toContain('Research use only — not a medical device');
    expect(text).toContain('This page does not find the field of the ultrasound');
    expect(readFileSync(at('page', 'licences.txt'), 'utf8')).toMatch(/Copyright \(c\) Microsoft/);
  });

  test('replaces a page of its own when asked, and nothing else', async () => {
    expect(await failureOf(exportPage(model, at('page')))).toMatchObject({ code: 'OUTPUT_EXISTS' });
    await exportPage(model, at('page'), { overwrite: true });
    mkdirSync(at('mine'));
    writeFileSync(at('mine', 'index.html'), '<h1>mine</h1>');
    const mine = exportPage(model, at('mine'), { overwrite: true });
    expect(await failureOf(mine)).toMatchObject({ code: 'OUTPUT_NOT_OURS' });
    writeFileSync(at('page', 'notes.txt'), 'mine');
    const noted = exportPage(model, at('page'), { overwrite: true });
    expect(await failureOf(noted)).toMatchObject({ code: 'OUTPUT_NOT_OURS' });
    writeFileSync(at('file'), '');
    expect(await failureOf(exportPage(model, at('file')))).toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(readFileSync(at('mine', 'index.html'), 'utf8')).toBe('<h1>mine</h1>');
  });
});

test('the command writes it, and refuses another part', async () => {
  const args = ['export', model, '--format', 'web', '--out', at('typed')];
  const { code, stdout } = await uscl(args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/written\s+\S+typed, \d+ MB: open index\.html in a browser/);
  expect(stdout).toContain('Research use only');
  expect(factsOf(at('typed')).classes).toEqual(CLASSES);
  const other = await uscl([...args, '--part', 'backbone', '--overwrite']);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('A page classifies');
});

test('a pretraining has no classes to tell apart, and leaves nothing behind', async () => {
  await tinyDataset(at('clips'));
  await tinyRun(at('clips'), at('run'), ['training.epochs=1']);
  const error = await failureOf(exportPage(at('run'), at('none')));
  expect(error).toMatchObject({ code: 'MODEL_WITHOUT_CLASSES' });
  expect(existsSync(at('none'))).toBe(false);
  expect(readdirSync(scratch).filter((name) => name.includes('none'))).toEqual([]);
});
