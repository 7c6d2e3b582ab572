/** `uscl import FILE --out WEIGHTS`. */
import { Command } from 'commander';
import { importWeights, type ImportOptions, type ImportSummary } from '../weights/import-weights.ts';
import { table } from './columns.ts';
import { withAction } from './command.ts';
import { NORMALISATION_FORMS } from '../views/normalisations.ts';
import { listed } from './output.ts';

interface Options extends ImportOptions {
  readonly out: string;
}

export function importCommand(): Command {
  const command = new Command('import')
    .summary('weights of another tool, to pretrain, probe or fine-tune with')
    .description(
      'Reads a ResNet-18, 34 or 50 from a PyTorch checkpoint (.pth, .pt; weights are read, code is never run) or a safetensors file, with ' +
        'the names of torchvision, timm, Lightly, solo-learn or the published code of USCL, and writes it with torchvision\u2019s names. ' +
        'Says what was taken and what was not. `uscl probe` and `uscl finetune` take such files directly too.',
    )
    .argument('<file>', 'PyTorch checkpoint or safetensors file, or a folder with one as timm publishes it')
    .requiredOption('--out <file>', 'safetensors file to write')
    .option(
      '--prefix <text>',
      'what stands before the names of the network to take, where the file holds several',
    )
    .option(
      '--normalise <name|numbers>',
      `how images were normalised for these weights: ${NORMALISATION_FORMS}`,
    )
    .option('--licence <text>', 'terms that the weights are under; kept with all that is trained from them')
    .option('--citation <text>', 'whom to cite for them')
    .option('--overwrite', 'replace the file in --out')
    .addHelpText(
      'after',
      `
Examples:
  uscl import resnet18-imagenet.pth --out imagenet.safetensors --normalise imagenet
  uscl import checkpoint.pth.tar --out query.safetensors --prefix state_dict.module.encoder_q.
  uscl finetune imagenet.safetensors pocus --out runs/imagenet`,
    );
  return withAction(command, async (output, _signal, file: string, options: Options) => {
    const summary = await importWeights(file, options.out, options);
    output.tell(summary, describe(summary));
  });
}

function describe(summary: ImportSummary): string {
  const { backbone, width, channels, normalise, prefix, otherPrefixes, used, ignored, out } = summary;
  return [
    ...table([
      [
        'network',
        `${backbone}${width === 64 ? '' : ` of width ${width}`} for ${channels === 1 ? 'grey' : 'colour'} images`,
      ],
      ['taken', `${used} tensors${prefix === '' ? '' : ` whose names begin with ${JSON.stringify(prefix)}`}`],
      [
        'normalise',
        normalise === null
          ? 'not known: images are normalised as this program does, unless view.normalise says otherwise'
          : `mean ${String(normalise.mean)}, deviation ${String(normalise.std)}`,
      ],
      ['written', out],
    ]),
    ...listed('tensors that are none of the network', ignored),
    ...listed('other networks in the file, for --prefix', otherPrefixes),
  ].join('\n');
}
