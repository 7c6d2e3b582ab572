/** `uscl export RUN --out FILE`. */
import { Command } from 'commander';
import { usageError } from '../base/errors.ts';
import { RESEARCH_USE } from '../base/research-use.ts';
import type { WhichCheckpoint } from '../trainer/backbone.ts';
import {
  EXPORT_FORMATS,
  type ExportFormat,
  exportWeights,
  type ExportOptions,
  type ExportSummary,
} from '../weights/export-weights.ts';
import { ONNX_PARTS } from '../weights/onnx/export-onnx.ts';
import { exportPage, type PageSummary } from '../weights/web/export-page.ts';
import { table } from './columns.ts';
import { choice, withAction } from './command.ts';

interface Options extends Omit<ExportOptions, 'format'> {
  readonly out: string;
  readonly format?: ExportFormat | 'web';
  readonly checkpoint?: WhichCheckpoint;
}

export function exportCommand(): Command {
  const command = new Command('export')
    .summary('weights of a run for other tools')
    .description(
      'Writes the backbone of a run, and the classifier of a fine-tuned one as fc, with torchvision\u2019s names: as safetensors, ' +
        'or as a PyTorch checkpoint that torch.load(weights_only=True) and load_state_dict(strict=True) take. Or a whole model as ONNX, which takes ' +
        'frames of 8 bits and any size, cropped to the field, and answers with probabilities, features or embeddings. Or a folder ' +
        'as the Hugging Face hub and timm take it (hf): weights, configuration and a model card that names the terms of their data. Or a page that classifies ' +
        'clips in a browser with nothing but its folder (web).',
    )
    .argument('<run>', 'run folder, checkpoint, or file of weights')
    .requiredOption('--out <path>', 'file to write; of hf and web a folder')
    .addOption(
      choice(
        '--format <name>',
        'form (default: torch for .pth and .pt, onnx for .onnx, else safetensors; hf and web are folders)',
        [...EXPORT_FORMATS, 'web'],
      ),
    )
    .addOption(choice('--checkpoint <which>', 'weights of the run (default: best)', ['best', 'last']))
    .addOption(
      choice(
        '--part <name>',
        'of an ONNX model: what it answers (default: classifier, else backbone)',
        ONNX_PARTS,
      ),
    )
    .option('--fold', 'of an ONNX model: batch norms folded into convolutions; it cannot be read back')
    .option('--overwrite', 'replace what was exported to --out before')
    .addHelpText(
      'after',
      `
Examples:
  uscl export runs/first --out backbone.safetensors
  uscl export runs/tuned --out tuned.pth
  uscl export runs/tuned --out tuned.onnx
  uscl export runs/first --out features.onnx --part backbone
  uscl export runs/tuned --format hf --out tuned-hf
  uscl export runs/tuned --format web --out page
In Python, a folder: timm.create_model("local-dir:tuned-hf", pretrained=True), with timm 1.0.16 or newer.
In Python: model = torchvision.models.resnet18(); model.fc = torch.nn.Identity() where there is no classifier; for grey
images model.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False); model.load_state_dict(torch.load("backbone.pth", weights_only=True))`,
    );
  return withAction(command, async (output, _signal, run: string, options: Options) => {
    const format = options.format ?? FORMATS.find(([end]) => end.test(options.out))?.[1] ?? 'safetensors';
    const summary =
      format === 'web'
        ? await exportPage(run, options.out, ofPage(options))
        : await exportWeights(run, options.out, { ...options, format });
    output.tell({ ...summary, use: RESEARCH_USE }, describe(summary));
  });
}

const FORMATS: readonly (readonly [RegExp, ExportFormat])[] = [
  [/\.(pth|pt)$/i, 'torch'],
  [/\.onnx$/i, 'onnx'],
];

/** A page is of a classifier, and folded. */
function ofPage({ part = 'classifier', ...options }: Options): Options {
  if (part === 'classifier') return options;
  throw usageError(
    'EXPORT_PART',
    `A page classifies, so its part is the classifier, not ${part}.`,
    `Leave --part out, or write a model: --format onnx --part ${part}.`,
    { where: '--part' },
  );
}

function describe(summary: ExportSummary | PageSummary): string {
  const { backbone, part, width, channels, size, normalise, classes, tensors, learntFrom, out } = summary;
  const each = learntFrom?.map(({ name, licence }) => `${name} (${licence ?? 'states no licence'})`);
  return table([
    ['network', `${backbone}${width === 64 ? '' : ` of width ${width}`}, ${tensors} tensors`],
    ['answers', part],
    ['classes', classes === null ? null : `${classes.join(', ')} (fc)`],
    [
      'images',
      `${size} pixels, ${channels} channel${channels === 1 ? '' : 's'} in 0 to 1, less mean ${String(normalise.mean)}, by deviation ${String(normalise.std)}`,
    ],
    [
      'terms',
      each === undefined
        ? 'it is not known what the weights learnt from'
        : `weights inherit the terms of ${each.join(', ')}`,
    ],
    [
      'written',
      'bytes' in summary
        ? `${out}, ${(summary.bytes / 1e6).toFixed(0)} MB: open index.html in a browser`
        : out,
    ],
    ['use', RESEARCH_USE],
  ]).join('\n');
}
