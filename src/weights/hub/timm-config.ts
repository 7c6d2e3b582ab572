/**
 * `config.json` of a published folder as timm reads it: which of its ResNets the weights are of, and how frames become images
 * (timm's transforms then do what this program does to whole frames). Source: `timm/models/_hub.py`.
 */
import { ofChannel, type ViewConfig } from '../../views/config.ts';

/** What a configuration is made from. */
export interface PublishedNetwork {
  readonly backbone: string;
  /** Features of the backbone. */
  readonly features: number;
  readonly view: Pick<ViewConfig, 'size' | 'channels' | 'normalise'>;
  /** Null where there is no classifier. */
  readonly classes: readonly string[] | null;
}

/** Pixels of an image for one of the last feature map. */
const REDUCTION = 32;

/** The configuration. */
export function timmConfig({ backbone, features, view, classes }: PublishedNetwork): object {
  const { size, channels, normalise } = view;
  const each = (value: typeof normalise.mean): number[] =>
    Array.from({ length: channels }, (_, channel) => ofChannel(value, channel));
  const side = Math.ceil(size / REDUCTION);
  return {
    architecture: backbone,
    num_classes: classes?.length ?? 0,
    num_features: features,
    global_pool: 'avg',
    ...(classes === null ? {} : { label_names: classes }),
    // timm makes networks of three channels unless it is told otherwise.
    ...(channels === 3 ? {} : { model_args: { in_chans: channels } }),
    pretrained_cfg: {
      tag: 'uscl',
      custom_load: false,
      input_size: [channels, size, size],
      fixed_input_size: false,
      interpolation: 'bilinear',
      // The whole frame, stretched to a square.
      crop_pct: 1,
      crop_mode: 'squash',
      mean: each(normalise.mean),
      std: each(normalise.std),
      num_classes: classes?.length ?? 0,
      pool_size: [side, side],
      first_conv: 'conv1',
      classifier: 'fc',
    },
  };
}
