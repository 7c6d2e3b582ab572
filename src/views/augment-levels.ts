/** Reduced augmentations: crops and flips alone, or nothing random at all. */
import type { AugmentConfig } from './config.ts';

/** Crops and flips as configured, nothing that changes an intensity or bends the picture. */
export function cropsAndFlips(augment: AugmentConfig): AugmentConfig {
  const off = { probability: 0 };
  return {
    ...augment,
    brightness: 0,
    contrast: 0,
    saturation: 0,
    hue: 0,
    blur: { ...augment.blur, ...off },
    rotation: { ...augment.rotation, ...off },
    affine: { ...augment.affine, ...off },
    cutout: { ...augment.cutout, ...off },
    outPainting: { ...augment.outPainting, ...off },
    nonLinearIntensity: { ...augment.nonLinearIntensity, ...off },
    sharpen: { ...augment.sharpen, ...off },
  };
}

/** The whole frame, the same every time. */
export function wholeFrame(augment: AugmentConfig): AugmentConfig {
  return { ...cropsAndFlips(augment), cropScale: [1, 1], cropRatio: [1, 1], flip: 0 };
}
