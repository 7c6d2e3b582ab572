/** Reduced augmentations: crops and flips alone, nothing random at all, or what earlier versions knew. */
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
    probe: { ...augment.probe, ...off },
    depthGain: { ...augment.depthGain, ...off },
    speckle: { ...augment.speckle, ...off },
    gain: { ...augment.gain, ...off },
    gamma: { ...augment.gamma, ...off },
    clahe: { ...augment.clahe, ...off },
    fieldEdge: { ...augment.fieldEdge, ...off },
  };
}

/** The whole frame, the same every time. */
export function wholeFrame(augment: AugmentConfig): AugmentConfig {
  const insideField = { ...augment.insideField, probability: 0 };
  return { ...cropsAndFlips(augment), cropScale: [1, 1], cropRatio: [1, 1], flip: 0, insideField };
}

/** Operations that came after the first form of saved configurations. */
const LATER = [
  'insideField',
  'probe',
  'depthGain',
  'speckle',
  'gain',
  'gamma',
  'clahe',
  'fieldEdge',
] as const satisfies readonly (keyof AugmentConfig)[];

/** An augmentation without later operations that are off: what an earlier version would have saved of it. */
export function withoutUnused(augment: AugmentConfig): Partial<AugmentConfig> {
  const unused: readonly string[] = LATER.filter((name) => augment[name].probability === 0);
  return Object.fromEntries(Object.entries(augment).filter(([name]) => !unused.includes(name)));
}
