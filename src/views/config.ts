/**
 * Strict schemas of views and batches. An unknown key or an impossible value is an error at its key. The defaults
 * are the augmentations of the published USCL training code as it runs. Augmentations that are in that code but
 * switched off have probability 0 here.
 */
import { z } from 'zod';
import { LARGEST_GRAIN } from './echoes/speckle.ts';

const probability = z.number().min(0).max(1);

/** [low, high] with low ≤ high, both within the given bounds. */
function range(low: number, high: number) {
  const side = z.number().min(low).max(high);
  return z
    .tuple([side, side])
    .readonly()
    .refine(([from, to]) => from <= to, { error: 'The first number must not exceed the second.' });
}

/** One number for all channels, or one a channel. */
function perChannel(value: z.ZodNumber) {
  return z.union([value, z.tuple([value, value, value]).readonly()]);
}

const betaShape = z.number().positive().max(1000);

const spgSchema = z.strictObject({
  /** Sample pair generation. Off: a pair is two frames of the clip, each augmented, nothing mixed. */
  enabled: z.boolean().default(true),
  /**
   * Augment each of the three frames on its own (the anchor once for both views), then mix (published code); or mix
   * frames in register, then augment each mixture (the paper's figure).
   */
  order: z.enum(['augment-then-mix', 'mix-then-augment']).default('augment-then-mix'),
  /** One ξ for both views (published code), or ξ1 and ξ2 drawn apart (paper). */
  coefficients: z.enum(['shared', 'independent']).default('shared'),
  /** Shapes of the Beta distribution of ξ. */
  beta: z.tuple([betaShape, betaShape]).readonly().default([0.5, 0.5]),
  /** Which of the three frames is x2: any (published code), or the middle one in time (paper). */
  anchor: z.enum(['random', 'middle']).default('random'),
  /** Longest time between the drawn frames in seconds. null: the whole clip. */
  windowSeconds: z.number().positive().nullable().default(null),
});

/** One operation on an image, off unless the configuration gives it a probability. */
function operation<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  /** Probability that a view gets it; 0: off. */
  const off = probability.default(0);
  // All of a shape's keys have defaults, which its generic type does not say.
  return z.strictObject({ probability: off, ...shape }).prefault({} as never);
}

/** Width of a range around 1 from which a factor is drawn. */
function strength(value: number) {
  return z.number().min(0).max(10).default(value);
}

/** Operations for ultrasound. What they know of a clip is its field; without one the whole frame is the field. */
const forUltrasound = {
  /**
   * Crops that keep to the field. A clip without one is cropped as ever. `cropScale` is then the area as a share of the
   * largest crop that the field holds; what happens where none is found is said at `drawCropInside`.
   */
  insideField: operation({
    /** Least share of a crop that lies in the field. */
    share: z.number().min(0.5).max(1).default(0.9),
  }),
  /** The picture bent as if another probe had made it (VanBerlo et al. 2025). */
  probe: operation({
    /** Angle that the outermost beams then open by, in degrees: 0 linear, above it convex. */
    degrees: range(0, 150).default([0, 70]),
  }),
  /** Gain along depth, as misplaced sliders of the time-gain compensation. */
  depthGain: operation({
    /** Gain at each point, uniform in [−decibels, decibels]; 60 dB are all grey levels. */
    decibels: z.number().min(0).max(60).default(8),
    /** Equally spaced depths at which a gain is drawn; in between it is interpolated. */
    points: z.int().min(2).max(16).default(4),
  }),
  /** Noise with grains that multiplies the picture (Rayleigh, mean 1). */
  speckle: operation({
    /** 0: none; 1: fully developed speckle. */
    strength: range(0, 1).default([0.1, 0.3]),
    /** Size of a grain in pixels of the view: where the correlation has fallen to 1/e. */
    grain: range(1, LARGEST_GRAIN).default([1.5, 3]),
  }),
  /** Gain and dynamic range. */
  gain: operation({
    /** Added to the picture; 60 dB are all grey levels. */
    decibels: range(-60, 60).default([-6, 6]),
    /** Of the compressed levels: above 1 the picture shows a smaller range of decibels. */
    factor: range(0, 4).default([0.9, 1.1]),
  }),
  /** Grey map: levels to a power. */
  gamma: operation({
    /** Log-uniform; below 1 dim echoes are raised. */
    exponent: range(0.1, 10).default([0.7, 1.4]),
  }),
  /** Contrast-limited adaptive histogram equalisation (Zuiderveld 1994). */
  clahe: operation({
    /** Largest slope of a map of levels; 1 changes nothing. */
    limit: range(1, 256).default([1, 3]),
    /** Tiles along a side of the view. */
    tiles: z.int().min(1).max(16).default(4),
  }),
  /** The edge of the field moved inwards, so that it does not tell the machine. */
  fieldEdge: operation({
    /** Width that is blanked inside the outline, as a share of the view's side. */
    margin: range(0, 0.5).default([0, 0.1]),
  }),
};

/** Strengths of the colour jitter are by default what pairs and single frames do not share. */
const augmentation = (jitter: number, hue: number) =>
  z.strictObject({
    /** Area of the crop as a share of the frame. */
    cropScale: range(0.001, 1).default([0.8, 1]),
    /** Width over height of the crop. */
    cropRatio: range(0.01, 100).default([0.8, 1.25]),
    /** Probability of a left–right flip. */
    flip: probability.default(0.5),
    /** The factor is uniform in [max(0, 1 − value), 1 + value]. */
    brightness: strength(jitter),
    /** As brightness, about the mean of the view. */
    contrast: strength(jitter),
    /** As brightness; no effect on grey frames. */
    saturation: strength(jitter),
    /** The hue circle turns by a share uniform in [−value, value]; no effect on grey frames. */
    hue: z.number().min(0).max(0.5).default(hue),
    /** Gaussian blur. */
    blur: operation({
      /** Standard deviation in pixels of the view. */
      sigma: range(0.01, 50).default([0.1, 2]),
      /** Side of the kernel as a share of the view; the next odd number below, at least 3. */
      kernel: z.number().positive().max(0.5).default(0.05),
    }),
    /** Rotation about the centre; corners turn black. */
    rotation: operation({
      /** Uniform in [−degrees, degrees]. */
      degrees: z.number().min(0).max(180).default(10),
    }),
    /** Rotation, shift, zoom and shear in one; what is uncovered turns black. */
    affine: operation({
      /** Rotation, uniform in [−degrees, degrees]. */
      degrees: z.number().min(0).max(180).default(0),
      /** Largest shift to the side and down, as a share of the view. */
      translate: z.tuple([probability, probability]).readonly().default([0.1, 0.1]),
      /** Zoom. */
      scale: range(0.1, 10).default([1, 1]),
      /** Along x, uniform in [−shear, shear] degrees. */
      shear: z.number().min(0).max(80).default(0),
    }),
    /** Black squares anywhere in the view (DeVries & Taylor 2017). */
    cutout: operation({
      holes: z.int().min(1).max(100).default(3),
      /** Side of a hole as a share of the view. */
      side: z.number().positive().max(1).default(0.143),
    }),
    /** Uniform noise outside of the windows (Models Genesis, Zhou et al. 2019). */
    outPainting: operation({
      /** Windows of 3/7 to 4/7 of a side that stay. */
      windows: z.int().min(1).max(100).default(5),
    }),
    /** Intensities through a random Bézier curve, inverted half of the time (Models Genesis). */
    nonLinearIntensity: operation({}),
    /** Sharpening. */
    sharpen: operation({
      /** 3×3 kernels of the published code: −1 softens, 0 does nothing, 5 is strongest. */
      degree: z.int().min(-1).max(5).default(3),
    }),
    ...forUltrasound,
  });

/** What views of pairs and of single frames share, but for `normalise`, which comes last. */
const grid = {
  /** Side of the square view in pixels. */
  size: z.int().min(16).max(1024).default(224),
  /** Channels the network sees. Grey frames are repeated, colour frames reduced to luma. */
  channels: z.union([z.literal(1), z.literal(3)]).default(1),
  /**
   * The grid that crops are drawn on: the frame stretched to a square (published code; the evaluation view is the
   * same stretch), or with its own proportions and its shorter side the size of the view.
   */
  resize: z.enum(['square', 'shorter-side']).default('square'),
};
/** (x − mean) / std of intensities in 0…1. */
const normalise = z
  .strictObject({
    mean: perChannel(z.number()).default(0.5),
    std: perChannel(z.number().positive()).default(0.25),
  })
  .prefault({});

/** Three values of a mean or deviation need three channels. */
function requireChannels(
  view: { readonly channels: number; readonly normalise: z.infer<typeof normalise> },
  context: z.RefinementCtx,
): void {
  for (const key of ['mean', 'std'] as const) {
    if (view.channels === 3 || typeof view.normalise[key] === 'number') continue;
    context.addIssue({
      code: 'custom',
      path: ['normalise', key],
      message: 'Three values need channels = 3.',
    });
  }
}

/** The keys under `view` of a pretraining. */
export const viewSchema = z
  .strictObject({
    ...grid,
    /** How frames become a pair. */
    spg: spgSchema.prefault({}),
    /** What happens to each image. */
    augment: augmentation(0.8, 0.2).prefault({}),
    normalise,
  })
  .superRefine(requireChannels)
  .readonly();

/**
 * How frames of a clip become images, complete.
 * @interface
 */
export type ViewConfig = z.infer<typeof viewSchema>;

/** What happens to each image. */
export type AugmentConfig = ViewConfig['augment'];

/** How frames become a pair: sample pair generation. */
export type SpgConfig = ViewConfig['spg'];

/**
 * Views of single frames, for training on labels. The defaults are those of the published fine-tuning code: crop and
 * flip, no colour jitter.
 */
export const frameViewSchema = z
  .strictObject({
    ...grid,
    /** What happens to each image. null: nothing, the whole frame as in evaluation. */
    augment: augmentation(0, 0).nullable().prefault({}),
    normalise,
  })
  .superRefine(requireChannels)
  .readonly();

/**
 * How single frames become images, complete.
 * @interface
 */
export type FrameViewConfig = z.infer<typeof frameViewSchema>;

/** What one augmented image is made with. */
export type ImageConfig = Omit<ViewConfig, 'spg'>;

/** The keys under `batch`. */
export const batchSchema = z
  .strictObject({
    /** Clips in a full batch. One clip alone has nothing to be contrasted with. */
    size: z.int().min(2).max(4096).default(32),
    /** Whether clips that do not fill a batch make a short one. */
    lastBatch: z.enum(['keep', 'drop']).default('keep'),
    /** No two clips of one group (patient) in a batch, so that no negative is of the same patient. */
    distinctGroups: z.boolean().default(false),
    /** All clips of a batch come from one of the datasets that were merged, so that no negative is told by its machine. */
    oneSource: z.boolean().default(false),
  })
  .readonly();

/**
 * How clips meet in batches, complete.
 * @interface
 */
export type BatchConfig = z.infer<typeof batchSchema>;

/** Elements of one image [channels, size, size]. */
export function imageLength(view: Pick<ViewConfig, 'channels' | 'size'>): number {
  return view.channels * view.size * view.size;
}

/** The mean or standard deviation of a channel. */
export function ofChannel(value: number | readonly [number, number, number], channel: number): number {
  return typeof value === 'number' ? value : value[channel]!;
}
