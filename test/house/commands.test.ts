/**
 * Every shell block of the documents is true. What takes seconds on simulated clips runs in the order of the page, the
 * README first; every other command is parsed by the real program, and scripts and files that are named exist.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { makePhantom } from '../../src/phantom/phantom.ts';
import { exportWeights } from '../../src/weights/export-weights.ts';
import { compileProgram } from '../cli/run.ts';
import { element, TAG, writeUltrasound } from '../dicom-writer.ts';
import { writeModel } from '../finetune/finetuned.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const PAPERS = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((paper) => paper !== 'CHANGELOG.md');

/** Documents whose blocks run, in this order and in one folder; `npm` commands have tests of their own. */
const RUN = [
  ...['README.md', 'docs/audit.md', 'docs/metrics.md', 'docs/reports.md'],
  ...['docs/tutorial-report.md', 'docs/tutorial-browser.md', 'docs/tutorial-pytorch.md'],
];

/** What makes a command of the documents quick enough; nothing of what it does is left out. */
const QUICK: Readonly<Record<string, string>> = {
  pretrain:
    '--set view.size=32 --set model.width=8 --set training.epochs=2 --set batch.size=8 --set loader.workers=0',
  finetune: '--set view.size=32 --set training.epochs=1 --set folds=2 --set seeds=1 --set loader.workers=0',
  probe: '--frames 2 --random-inits 1',
  embed: '--frames 2',
  bench: '--steps 1 --set view.size=32 --set model.width=16 --set batch.size=4',
  phantom: '--clips 6 --size 48',
};
/** Random weights are as wide as they are asked to be; others are what they are. */
const QUICK_RANDOM = '--set model.width=8';

interface Line {
  readonly paper: string;
  readonly text: string;
}

/** The commands of a paper's shell blocks: comments left out, continued lines joined. */
function linesOf(paper: string): readonly Line[] {
  const text = readFileSync(join(ROOT, paper), 'utf8');
  return (
    [...text.matchAll(/^```(?:sh|bash|shell|console)\n([\s\S]*?)^```$/gm)]
      .flatMap(([, code]) => code!.replaceAll(/\\\n\s*/g, ' ').split('\n'))
      .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
      // A launcher of several processes starts the same command.
      .map((line) => line.replace(/^(mpirun|srun)( -\S+| \d+)* node_modules\/\.bin\/(?=uscl )/, ''))
      .filter((line) => line !== '')
      .map((line) => ({ paper, text: line }))
  );
}

const lines = PAPERS.flatMap(linesOf);
const isOurs = ({ text }: Line): boolean => /^(npx )?uscl /.test(text);

/** Words as a shell splits them; redirections are left out. */
function wordsOf(text: string): readonly string[] {
  return execFileSync('sh', ['-c', `set -f; printf '%s\\n' ${text.replace(/\s>\s*\S+$/, '')}`], {
    encoding: 'utf8',
  })
    .trimEnd()
    .split('\n');
}

describe('every command in the documents', () => {
  test('has been found', () => {
    expect(lines.filter(isOurs).length).toBeGreaterThan(40);
  });

  test.each(lines.filter(isOurs))('$paper: $text', async ({ text }) => {
    const [name = '', ...rest] = wordsOf(text.replace(/^npx /, '')).slice(1);
    expect(Object.keys(COMMANDS)).toContain(name);
    const command = (await COMMANDS[name]!())();
    let parsed = false;
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .action(() => {
        parsed = true;
      });
    await command.parseAsync(rest, { from: 'user' });
    expect(parsed).toBe(true);
  });

  test.each(lines.filter((line) => !isOurs(line)))('$paper: $text', ({ text }) => {
    const [program = '', ...rest] = wordsOf(text);
    if (program !== 'npm') {
      const file = program === 'python3' || program === 'sh' ? rest[0]! : program;
      expect(existsSync(join(ROOT, file)), file).toBe(true);
      return;
    }
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const script = scripts[rest[0] === 'run' ? rest[1]! : rest[0]!];
    expect(script, text).toBeDefined();
    const source = /\S+\.ts/.exec(script!)?.[0];
    for (const option of rest.filter((word) => /^--\w/.test(word)))
      expect(readFileSync(join(ROOT, source!), 'utf8'), option).toContain(option.slice(2));
  });
});

function hasFfmpeg(): boolean {
  try {
    execFileSync('ffmpeg', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'uscl-commands-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const runs = hasFfmpeg();
describe.skipIf(!runs)(`what runs in seconds${runs ? '' : ' (skipped: no ffmpeg here)'}`, () => {
  beforeAll(async () => {
    compileProgram();
    mkdirSync(join(scratch, 'bin'));
    writeFileSync(
      join(scratch, 'bin', 'npx'),
      `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(ROOT, 'dist', 'cli', 'main.js')}" "$@"\n`,
      { mode: 0o755 },
    );
    writeFileSync(join(scratch, 'bin', 'uscl'), '#!/bin/sh\nexec npx uscl "$@"\n', { mode: 0o755 });
    await simulatedSources();
  }, 300_000);

  test.each(RUN.flatMap(linesOf).filter(isOurs))('$paper: $text', { timeout: 240_000 }, ({ text }) => {
    const [name = ''] = wordsOf(text.replace(/^npx /, '')).slice(1);
    const [said, redirect = ''] = /^(.*?)(\s>\s*\S+)?$/.exec(text)!.slice(1);
    const more = text.includes('--resume') ? [] : [QUICK[name] ?? ''];
    if (text.includes('finetune random')) more.push(QUICK_RANDOM);
    const line = [said!, ...more, redirect].join(' ');
    let output = '';
    try {
      output = execFileSync('sh', ['-c', `${line} 2>&1`], {
        cwd: scratch,
        encoding: 'utf8',
        env: { ...process.env, PATH: `${join(scratch, 'bin')}:${process.env['PATH']!}` },
      });
    } catch (thrown) {
      const { status, stdout } = thrown as { status: number; stdout: string };
      // An audit that finds something says so by its exit code.
      if (name === 'audit' && status === 3) return;
      throw new Error(`${line}\nexit code ${status}\n${stdout}`, { cause: thrown });
    }
    expect(output).not.toContain('defect');
  });
});

/** The folders and files that the README starts from: videos, DICOM files and pictures, all simulated. */
async function simulatedSources(): Promise<void> {
  for (const [seed, [folder, table, write]] of (
    [
      ['videos', 'labels.csv', writeVideo],
      ['archive', 'hospital.csv', writeScan],
      ['elsewhere', 'elsewhere.csv', writeVideo],
    ] as const
  ).entries()) {
    const phantom = join(scratch, `phantom-${seed}`);
    await makePhantom({ out: phantom, clips: 40, framesPerClip: 3, size: 64, seed });
    mkdirSync(join(scratch, folder));
    using dataset = openDataset(phantom);
    const rows = dataset.clips.map((clip, i) => {
      const frames = Array.from({ length: clip.frames }, (_, frame) => dataset.readFrame(clip, frame));
      const file = write(join(scratch, folder), `clip-${i}`, frames, clip);
      return `${file},${clip.label!},${clip.group}`;
    });
    writeFileSync(join(scratch, table), `${['clip,label,group', ...rows].join('\n')}\n`);
    rmSync(phantom, { recursive: true });
  }
  writeFileSync(
    join(scratch, 'hospital.key'),
    Buffer.from(Array.from({ length: 32 }, (_, i) => (37 * i + 11) % 256)),
  );
  // In place of torchvision's: a file of such weights, narrow ones.
  mkdirSync(join(scratch, 'weights'));
  const weights = writeModel(join(scratch, 'weights'), { view: { channels: 3 }, width: 8 });
  await exportWeights(weights, join(scratch, 'resnet18.pth'), { format: 'torch' });
  const [video] = readdirSync(join(scratch, 'elsewhere'));
  const [scan] = readdirSync(join(scratch, 'archive'));
  execFileSync('cp', [join(scratch, 'elsewhere', video!), join(scratch, 'clip.mp4')]);
  execFileSync('cp', [join(scratch, 'archive', scan!), join(scratch, 'scan.dcm')]);
}

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly group: string;
}

function writeVideo(
  folder: string,
  name: string,
  frames: readonly Uint8Array[],
  { width, height }: Picture,
): string {
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'gray', '-s', `${width}x${height}`, '-r', '5', '-i', '-'];
  const codec = ['-c:v', 'mpeg4', '-q:v', '2', '-pix_fmt', 'yuv420p'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...raw, ...codec, join(folder, `${name}.mp4`)], {
    input: Buffer.concat(frames),
  });
  return `${name}.mp4`;
}

function writeScan(folder: string, name: string, frames: readonly Uint8Array[], clip: Picture): string {
  const { width: columns, height: rows, group } = clip;
  const file = writeUltrasound({
    ...{ rows, columns, frames: [...frames], frameTime: 200, patient: group },
    uid: `2.25.${1000 + Number(name.replace(/\D/g, ''))}`,
    regions: [{ x0: 0, y0: 0, x1: columns - 1, y1: rows - 1 }],
    elements: [element(TAG.StudyInstanceUID, 'UI', `2.25.${2000 + Number(group.replace(/\D/g, ''))}`)],
  });
  writeFileSync(join(folder, `${name}.dcm`), file);
  return `${name}.dcm`;
}
