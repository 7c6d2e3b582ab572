/**
 * Named augmentations, each complete: what `view.augment.preset` chooses. Keys that are given beside the name win over
 * it.
 */
import { wholeFrame } from './augment-levels.ts';
import { type AugmentConfig, viewSchema } from './config.ts';

/** The augmentations of the published USCL training code as it runs: today's defaults of pretraining. */
const uscl: AugmentConfig = viewSchema.parse({}).augment;

/**
 * For ultrasound: crops that keep to the field, from a fifth of the largest one; what machines and their settings
 * change (gain, gain along depth, grey map, speckle, edge of the field); flips. Little jitter, for the gain does its work
 * in the units of the picture. Which kinds there are follows VanBerlo et al. (Bioengineering 2025, 12(8):855); their
 * probabilities and strengths are this project's own.
 */
const us: AugmentConfig = viewSchema.parse({
  augment: {
    cropScale: [0.2, 1],
    cropRatio: [0.75, 1.333],
    brightness: 0.1,
    contrast: 0.1,
    saturation: 0.1,
    hue: 0.02,
    insideField: { probability: 1 },
    depthGain: { probability: 0.5 },
    speckle: { probability: 0.333 },
    gain: { probability: 0.5 },
    gamma: { probability: 0.5 },
    fieldEdge: { probability: 0.5 },
  },
}).augment;

/** Name of an augmentation. */
export type AugmentPreset = 'uscl' | 'us' | 'none';

/**
 * The augmentations by name. `uscl`: as the published code runs; `us`: for ultrasound; `none`: the whole frame (its middle
 * square where `view.resize` keeps proportions), the same every time.
 */
export const AUGMENT_PRESETS: Readonly<Record<AugmentPreset, AugmentConfig>> = {
  uscl,
  us,
  none: wholeFrame(uscl),
};

/** What a partial configuration may say of it beside the keys of the augmentation itself. */
export interface AugmentChoice {
  readonly view?: { readonly augment?: { readonly preset?: AugmentPreset } | null | undefined } | undefined;
}
