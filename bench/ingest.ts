/**
 * Our ingest (decode, find the field, blank, crop, scale, clean, hash, store) and ffmpeg alone (decode and scale, output
 * thrown away), alternately over the same videos, with as many decoders at once and the same frames kept; once more with
 * the fields given, which leaves decoding, blanking, cropping and scaling to be compared. Wall time
 * and processor time of both, programs started anew each time. Without `--source` the videos are made here.
 *
 *     npm run bench:ingest -- [--source FOLDER [--clips 1000]] [--rounds 3] [--jobs 2] [--all] [--out bench/results/ingest.json]
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DEFAULT_FPS, DEFAULT_SIZE } from '../src/ingest/options.ts';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', 'dist', 'cli', 'main.js');
const { values: flags } = parseArgs({
  options: {
    source: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    clips: { type: 'string', default: '1000' },
    all: { type: 'boolean', default: false },
    out: { type: 'string', default: join(here, 'results', 'ingest.json') },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-'));
const out = join(scratch, 'out');
const given = join(scratch, 'fields.yaml');
const sources = flags.source === undefined ? madeUp() : [copied(resolve(flags.source))];

interface Times {
  readonly wall: number;
  readonly processor: number;
}

const kept = flags.all
  ? ''
  : `select='isnan(prev_selected_t)+gt(floor((t-start_t)*${DEFAULT_FPS}+0.001),floor((prev_selected_t-start_t)*${DEFAULT_FPS}+0.001))',`;
const shorter = `scale='if(gt(iw,ih),-1,min(iw,${DEFAULT_SIZE}))':'if(gt(iw,ih),min(ih,${DEFAULT_SIZE}),-1)':flags=area`;
const filters = `${kept}${shorter},format=gray`;

/** As a script would use it: a process for each file. The first of the contestants is what the others are held against. */
const contestants = {
  ffmpeg: (folder: string): Times => {
    const command = [
      ...['ffmpeg', '-nostdin', '-v', 'error', '-threads', '1', '-i', 'file:{}'],
      ...['-filter_threads', '1', '-vf', filters, '-fps_mode', 'passthrough'],
      ...['-f', 'rawvideo', '-y', '/dev/null'],
    ];
    return timed(`find "$0" -type f -print0 | sort -z | xargs -0 -P ${flags.jobs} -I{} "$@" || true`, [
      folder,
      ...command,
    ]);
  },
  // What ours does with short clips, done with ffmpeg alone: the same work with fewer starts.
  'ffmpeg, eight to a process': (folder: string): Times => {
    const several = `in=(); out=(); n=0; for f in "$@"; do in+=(-threads 1 -i "file:$f");
      out+=(-map $n:v:0 -vf "$0" -fps_mode passthrough -f rawvideo /dev/null); n=$((n+1)); done;
      ffmpeg -nostdin -v error -filter_threads 1 -y "\${in[@]}" "\${out[@]}"`;
    return timed(
      `find "$0" -type f -print0 | sort -z | xargs -0 -P ${flags.jobs} -n 8 bash -c "$1" "$2" || true`,
      [folder, several, filters],
    );
  },
  'uscl, whole picture': (folder: string): Times => ours(folder, 'none'),
  'uscl, cropped to the field': (folder: string): Times => {
    const times = ours(folder, 'auto');
    writeFileSync(given, JSON.stringify({ fields: fieldsOf(out) }));
    return times;
  },
  // Of the run before; JSON is YAML.
  'uscl, fields given': (folder: string): Times => ours(folder, 'auto', '--fields', given),
};

/** What the finder found, as a person would say it in a field file. */
function fieldsOf(dataset: string): unknown[] {
  return readFileSync(join(dataset, 'clips.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { source: string; field: { outlines: unknown } | null })
    .map(({ source, field }) =>
      field === null ? { clips: source, field: 'none' } : { clips: source, polygons: field.outlines },
    );
}

function ours(folder: string, crop: string, ...more: readonly string[]): Times {
  rmSync(out, { recursive: true, force: true });
  return timed('"$0" "$@" > /dev/null 2>&1', [
    ...[
      process.execPath,
      main,
      'ingest',
      folder,
      '--out',
      out,
      '--crop',
      crop,
      '--jobs',
      flags.jobs,
      ...more,
    ],
    ...(flags.all ? ['--fps', 'all'] : []),
  ]);
}

/** Runs a command in a shell that measures it and all its children. */
function timed(command: string, args: readonly string[]): Times {
  const text = execFileSync(
    'bash',
    ['-c', `TIMEFORMAT='%R %U %S'; { time { ${command} ; } 2>/dev/null ; } 2>&1`, ...args],
    { encoding: 'utf8' },
  );
  const [wall = NaN, user = NaN, system = NaN] = text.trim().split(/\s+/).map(Number);
  return { wall, processor: user + system };
}

/** The first videos of a folder, without what is no video: both are to read the same files. */
function copied(source: string): { readonly name: string; readonly folder: string } {
  const folder = join(scratch, 'copied');
  mkdirSync(folder);
  const videos = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(mp4|mov|avi|mpe?g|gif)$/i.test(path))
    .sort()
    .slice(0, Number(flags.clips));
  videos.forEach((path, i) => {
    copyFileSync(join(source, path), join(folder, `clip${i}${extname(path)}`));
  });
  return { name: `${basename(source)}, ${videos.length} videos`, folder };
}

/** Many short clips, as lung sets have, and few long ones of a large picture. */
function madeUp(): { readonly name: string; readonly folder: string }[] {
  return [
    { name: '48 clips of 4 s, 350×350', clips: 48, seconds: 4, size: '350x350' },
    { name: '12 clips of 8 s, 1024×768', clips: 12, seconds: 8, size: '1024x768' },
  ].map(({ name, clips, seconds, size }, index) => {
    const folder = join(scratch, `source${index}`);
    mkdirSync(folder);
    for (let clip = 0; clip < clips; clip++) {
      // A bright disc of moving noise on black is about as hard to decode as ultrasound.
      const picture = `gradients=s=${size}:r=25:d=${seconds}:seed=${clip + 1}:speed=0.02,format=gray,noise=alls=30:allf=t,vignette=PI/3`;
      execFileSync('ffmpeg', [
        ...['-nostdin', '-v', 'error', '-f', 'lavfi', '-i', picture],
        ...['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', join(folder, `clip${clip}.mp4`)],
      ]);
    }
    return { name, folder };
  });
}

try {
  const results = sources.map(({ name, folder }) => {
    const files = readdirSync(folder, { recursive: true }).length;
    const rounds = Array.from({ length: Number(flags.rounds) }, () =>
      Object.fromEntries(Object.entries(contestants).map(([who, run]) => [who, run(folder)])),
    );
    return { source: name, files, frames: flags.all ? 'all' : `${DEFAULT_FPS} a second`, rounds };
  });
  const report = {
    machine: cpus()[0]?.model,
    jobs: Number(flags.jobs),
    load: loadavg(),
    node: process.version,
    results,
  };
  mkdirSync(dirname(flags.out), { recursive: true });
  writeFileSync(flags.out, `${JSON.stringify(report, null, 1)}\n`);
  for (const { source, frames, rounds } of results) {
    process.stdout.write(`${source}, ${frames} kept, ${flags.jobs} at once\n`);
    for (const who of Object.keys(contestants)) {
      const of = (measure: keyof Times): number[] => rounds.map((round) => round[who]?.[measure] ?? NaN);
      const ratio = (measure: keyof Times): number[] =>
        rounds.map((round) => (round['ffmpeg']?.[measure] ?? NaN) / (round[who]?.[measure] ?? NaN));
      const show = (values: number[]): string => {
        const sorted = values.toSorted((a, b) => a - b);
        return `${sorted[sorted.length >> 1]?.toFixed(2)} (${sorted[0]?.toFixed(2)}–${sorted.at(-1)?.toFixed(2)})`;
      };
      process.stdout.write(
        `  ${who.padEnd(28)} wall ${show(of('wall'))} s, speed beside ffmpeg ${show(ratio('wall'))}; processor ${show(of('processor'))} s, ${show(ratio('processor'))}\n`,
      );
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
