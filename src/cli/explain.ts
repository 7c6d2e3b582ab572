/** `uscl explain RUN DATASET|FILE…`. */
import { Command } from 'commander';
import type { WhichCheckpoint } from '../trainer/backbone.ts';
import { VIDEO_FORMATS, type VideoFormat } from '../video/encode.ts';
import { explain, type Explained } from '../explain/explain.ts';
import type { ExplainOptions } from '../explain/options.ts';
import type { FileOptions } from '../explain/opened-data.ts';
import type { ModelUse } from '../trainer/opened-model.ts';
import { defined } from '../base/collect.ts';
import { choice, collect, frameRate, share, whole, withAction, withMachine } from './command.ts';
import { percent } from './output.ts';
import { useMethods, withMethodFile } from './training.ts';

interface Options extends ModelUse, FileOptions {
  readonly out?: string;
  readonly cam?: boolean;
  readonly layer?: string;
  readonly class?: string;
  readonly pictures?: number;
  readonly clip: readonly string[];
  readonly video?: VideoFormat;
  readonly map?: boolean;
  readonly mapNeighbours?: number;
  readonly minDist?: number;
  readonly seed?: number;
  readonly neighbours: readonly string[];
  readonly count?: number;
  readonly sameGroup?: boolean;
  readonly frames: number;
  readonly checkpoint: WhichCheckpoint;
  readonly overwrite?: boolean;
  readonly method: readonly string[];
}

export function explainCommand(): Command {
  const command = new Command('explain')
    .summary('where a network looks, and which clips it finds alike')
    .description(
      'Shows what RUN makes of the clips of DATASET (or of files): the places that speak for a class (Grad-CAM), a map of ' +
        'all clips (UMAP), and the clips most like a given one. Without --cam, --map or --neighbours all three are made. ' +
        'Grad-CAM and nearest clips write pictures of clips; the map writes none. Research use only, not a medical device.',
    )
    .argument('<run>', 'fine-tuned run; for map and neighbours also a pretrained one, or weights')
    .argument('<data...>', 'datasets; or videos, pictures, DICOM files, folders of these')
    .option('--out <folder>', 'where to write (default: explain in RUN)')
    .option('--cam', 'heat over frames, and the share of it inside the ultrasound field')
    .option('--layer <name>', 'layer whose features are looked at (default: layer4)')
    .option('--class <name>', 'class to explain: predicted, label, or a name (default: predicted)')
    .addOption(whole('--pictures <number>', 'clips drawn at most (default: 24)', 0, 100_000))
    .option('--clip <id>', 'draw this clip and no others (repeatable; part of an id will do)', collect, [])
    .addOption(choice('--video <format>', 'videos of the drawn clips that move', VIDEO_FORMATS))
    .option('--map', 'all clips on a plane, by class, group and source')
    .addOption(whole('--map-neighbours <number>', 'near clips of the map (default: 15)', 2))
    .option('--min-dist <number>', 'how close points may lie, 0 to 1 (default: 0.1)', share('--min-dist'))
    .addOption(whole('--seed <number>', 'of the map (default: 0)', 0, 0xffff_ffff))
    .option(
      '--neighbours <clip>',
      'clips most like this one (repeatable; part of an id will do)',
      collect,
      [],
    )
    .addOption(whole('--count <number>', 'how many of them (default: 9)', 1, 200))
    .option('--same-group', 'answer clips of the same group (patient) too')
    .addOption(whole('--frames <number>', 'frames looked at a clip', 1, 64).default(4))
    .addOption(choice('--checkpoint <which>', 'of a pretraining run', ['best', 'last']).default('best'))
    .option('--fps <rate>', 'of files: frames a second, or all (default: as ingest)', frameRate)
    .addOption(choice('--crop <how>', 'of files: cut to the ultrasound field, or not', ['auto', 'none']))
    .option('--fields <file>', 'of files: their fields, as for ingest')
    .option('--allow-unmasked', 'of files: take DICOM files without a field (may show what names a patient)')
    .option('--key-file <file>', 'of files: key of the pseudonyms, as for ingest')
    .option('--overwrite', 'replace what an earlier explanation left')
    .addHelpText(
      'after',
      `
Examples:
  uscl explain runs/tuned pocus                     all three, into runs/tuned/explain
  uscl explain runs/tuned pocus --cam --map
  uscl explain runs/tuned pocus --cam --clip Cov_whitelungs --video mp4 --out look
  uscl explain runs/tuned pocus --cam --class label --layer layer3 --pictures 60
  uscl explain runs/tuned new-clip.mp4 --cam --video gif --out new-clip
  uscl explain runs/pretrained pocus --map --neighbours Pneu_liftl_pneu_case3_clip5

explain.json holds all numbers. A setting asks for its part: --layer, --class, --pictures, --clip and --video for Grad-CAM,
--map-neighbours, --min-dist and --seed for the map, --count and --same-group for nearest clips, of the first clip of
every class where --neighbours names none. Parts that are made later for
the same weights and clips join the ones that are there.`,
    );
  return withAction(
    withMethodFile(withMachine(command, 'of activations (default: f32)')),
    async (output, signal, run: string, data: readonly string[], options: Options) => {
      await useMethods(options.method);
      const result = await output.during('explain', 'done', (watch) =>
        explain({ ...optionsOf(run, data, options), ...watch, signal }),
      );
      output.tell(result, describe(result));
    },
  );
}

function optionsOf(source: string, data: readonly string[], options: Options): ExplainOptions {
  const { out, layer, pictures, clip, video, minDist, seed, count, overwrite = false } = options;
  const { fps, crop, fields, allowUnmasked, keyFile, sameGroup, backend, device, threads, precision } =
    options;
  const cam = defined({ layer, target: options.class, pictures, video });
  const map = defined({ neighbours: options.mapNeighbours, minDist, seed });
  const nearest = defined({ count, sameGroup });
  const wants = (said: boolean | undefined, settings: object): boolean =>
    said === true || Object.keys(settings).length > 0;
  return {
    ...{ source, data, overwrite, framesPerClip: options.frames, checkpoint: options.checkpoint },
    ...defined({ out, backend, device, threads, precision }),
    files: defined({ fps, crop, fields, allowUnmasked, keyFile }),
    ...(wants(options.cam === true || clip.length > 0, cam) ? { cam: { ...cam, clips: clip } } : {}),
    ...(wants(options.map, map) ? { map } : {}),
    ...(wants(options.neighbours.length > 0, nearest)
      ? { neighbours: { ...nearest, clips: options.neighbours } }
      : {}),
  };
}

function describe({ folder, data, cam, map, neighbours, notice }: Explained): string {
  const lines = data.flatMap(({ name, clips, seen }) =>
    seen === null || seen === undefined || seen === 0
      ? []
      : [
          `note: ${seen} of the ${clips} clips of ${name} were trained on; of them this shows what was learned, not what generalises.`,
        ],
  );
  if (cam !== null) {
    const { all, partial, leftOut, withoutField, fieldsFoundNow, clips, withoutHeat } = cam.summary;
    lines.push(`Grad-CAM at ${cam.layer} (${cam.cells.width}×${cam.cells.height} cells), ${clips} clips:`);
    lines.push(
      all.insideShare === null || all.fieldShare === null
        ? '  no clip with a known ultrasound field and any heat'
        : `  ${percent(all.insideShare)} of the heat lies inside the ultrasound field; evenly spread it would be ${percent(all.fieldShare)} (${all.clips} clips)`,
    );
    if (partial.insideShare !== null && partial.fieldShare !== null && partial.clips < all.clips)
      lines.push(
        `  where the field does not fill the picture: ${percent(partial.insideShare)}, evenly ${percent(partial.fieldShare)} (${partial.clips} clips)`,
      );
    if (fieldsFoundNow > 0)
      lines.push(`  ${fieldsFoundNow} clips were stored whole; their fields were looked for now`);
    if (withoutField > 0) lines.push(`  ${withoutField} clips have no known field`);
    if (withoutHeat > 0)
      lines.push(`  ${withoutHeat} frames have no heat: nothing there speaks for the class`);
    if (leftOut > 0) lines.push(`  ${leftOut} clips without a label of the network were not explained`);
    const drawn = cam.entries.filter(({ png }) => png !== null).length;
    lines.push(`  ${drawn} pictures, ${cam.videos.length} videos`);
  }
  if (map !== null) {
    const trust = map.trustworthiness === null ? '' : `, trustworthiness ${map.trustworthiness.toFixed(3)}`;
    lines.push(`Map of ${map.points.length} clips${trust}: ${Object.values(map.svg).join(', ')}, ${map.csv}`);
    for (const key of ['class', 'group', 'source'] as const) {
      const found = map.agreement[key];
      if (found === null) continue;
      lines.push(
        `  of the five nearest clips${key === 'group' ? '' : ' of other groups'}, ${percent(found.nearest)} share the ${key}; by chance ${percent(found.chance)}`,
      );
    }
  }
  for (const { query, answers, png } of neighbours)
    lines.push(
      `Most like ${query.clip}: ${answers
        .slice(0, 3)
        .map(({ clip, similarity }) => `${clip} (${similarity.toFixed(2)})`)
        .join(', ')}, …; ${png}`,
    );
  return [...lines, `written to ${folder}`, notice].join('\n');
}
