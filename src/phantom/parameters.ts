/**
 * Everything that decides a simulated clip, as plain data with units: `simulateClip` is a function of this and of
 * nothing else. Lengths are mm, times s, frequencies MHz, levels dB relative to the diffuse echo of chest-wall muscle.
 * Lateral positions are arc lengths measured at the depth of the pleura, 0 in the middle of the image.
 */

/** The three classes, in the order of their indices. */
export const PHANTOM_CLASSES = ['a-lines', 'b-lines', 'consolidation'] as const;
export type PhantomClass = (typeof PHANTOM_CLASSES)[number];

export interface ProbeParameters {
  /** Convex: curved array. Linear: parallel beams. Sector: phased array, beams from (almost) one point. */
  readonly shape: 'convex' | 'linear' | 'sector';
  /** Radius of the array's curvature; ignored for a linear probe. */
  readonly radiusMm: number;
  /** Full opening angle of the fan in degrees; ignored for a linear probe. */
  readonly fieldOfViewDeg: number;
  /** Width of a linear probe's image; ignored otherwise. */
  readonly widthMm: number;
  readonly frequencyMHz: number;
  /** Cycles in the transmitted pulse; the pulse–echo length is cycles · λ / 2 (full width at half maximum). */
  readonly pulseCycles: number;
  readonly apertureMm: number;
  readonly focusMm: number;
}

export interface DisplayParameters {
  /** Depth of the image below the probe's face. */
  readonly depthMm: number;
  readonly gainDb: number;
  /** Attenuation the machine's time-gain compensation assumes, dB / (cm · MHz), one way. */
  readonly tgcDbPerCmMHz: number;
  /** Error of the compensation at equally spaced depths from the face to the bottom (the sliders), dB. */
  readonly tgcErrorDb: readonly number[];
  readonly dynamicRangeDb: number;
  /** Exponent of the grey map after log compression; 1 is linear in dB. */
  readonly gamma: number;
  /** Electronic noise before compensation, dB below muscle at the surface (a negative number). */
  readonly noiseDb: number;
  /** Share of the previous frame in the displayed one, [0, 1). */
  readonly persistence: number;
  /** Loss of contact towards the sides, dB at the left and at the right edge. */
  readonly edgeLossDb: readonly [left: number, right: number];
  /** Uneven contact along the face (hair, air in the gel): standard deviation in dB and how far it reaches. */
  readonly contactDb: number;
  readonly contactMm: number;
  /** Magnification of the fan in the picture; 1 makes the larger extent fill it. */
  readonly zoom: number;
  /** Shift of the fan in the picture, share of the picture's side. */
  readonly offset: readonly [x: number, y: number];
}

export interface WallParameters {
  /** Depth of the pleura in the middle of the image. */
  readonly pleuraMm: number;
  /** 1: the pleura runs parallel to the probe's face; 0: it is a flat plane. */
  readonly conformity: number;
  readonly tiltDeg: number;
  /** Unevenness of the pleura's depth, standard deviation. */
  readonly unevennessMm: number;
  /** Attenuation of soft tissue, dB / (cm · MHz), one way (0.5–0.7; Szabo, Diagnostic Ultrasound Imaging, app. B). */
  readonly attenuationDbPerCmMHz: number;
  /** Layers from the skin inwards: where each begins (share of the pleura's depth), its echo level, its fascia. */
  readonly layers: readonly {
    readonly from: number;
    readonly levelDb: number;
    readonly fasciaDb: number | null;
  }[];
  readonly ribs: readonly RibParameters[];
}

export interface RibParameters {
  readonly lateralMm: number;
  readonly halfWidthMm: number;
  /** Depth of the rib's surface, share of the pleura's depth. */
  readonly depthShare: number;
  readonly surfaceDb: number;
  /** Loss in the acoustic shadow below. */
  readonly shadowDb: number;
}

export interface MotionParameters {
  readonly breathPeriodS: number;
  /** Breathing phase at the first frame, [0, 1). */
  readonly breathPhase: number;
  /** Peak-to-peak excursion of the lung along the chest wall (lung sliding). */
  readonly slideMm: number;
  /** Peak-to-peak change of the pleura's depth with breathing. */
  readonly pleuraMm: number;
  readonly heartRateHz: number;
  readonly heartPhase: number;
  readonly heartMm: number;
  /** Hand tremor and drift of the probe, standard deviation along the skin and into it. */
  readonly tremorMm: readonly [lateral: number, axial: number];
}

/** Aerated lung below the pleura: no tissue echo, but a haze of multiple scattering that slides with the lung. */
export interface LungParameters {
  readonly pleuraDb: number;
  readonly hazeDb: number;
  readonly hazeDecayDbPerCm: number;
  /** Echo of the n-th reverberation between probe and pleura: pleuraDb − (n − 1) · lossDb − extra. */
  readonly reverberationLossDb: number;
  readonly reverberationExtraDb: number;
  /** Vertical artefacts; one that decays quickly is a comet tail, one that hardly decays is a B-line. */
  readonly streaks: readonly StreakParameters[];
}

export interface StreakParameters {
  /** Position on the lung's surface; moves with sliding. */
  readonly lateralMm: number;
  readonly widthMm: number;
  readonly levelDb: number;
  readonly decayDbPerCm: number;
}

export interface ConsolidationParameters {
  /** Effusion between the pleural leaves: thickness at the left and at the right edge. */
  readonly effusionMm: readonly [left: number, right: number];
  /** Relative change of the effusion's thickness over a breath (sinusoid sign). */
  readonly effusionSwing: number;
  readonly thicknessMm: number;
  /** Unevenness of the deep border (shred sign), standard deviation. */
  readonly shredMm: number;
  readonly tissueDb: number;
  readonly borderDb: number;
  readonly bronchograms: readonly {
    readonly lateralMm: number;
    /** Depth in the consolidated tissue, 0 at the lung's surface, 1 at the deep border. */
    readonly depthShare: number;
    readonly lengthMm: number;
    readonly angleDeg: number;
    readonly levelDb: number;
  }[];
}

export interface ClipParameters {
  readonly label: PhantomClass;
  /** Address of the speckle: clips that differ only here are other realisations of the same anatomy. */
  readonly seed: number;
  readonly realisation: string;
  readonly frames: number;
  readonly fps: number;
  /** Side of the square picture in pixels. */
  readonly size: number;
  readonly probe: ProbeParameters;
  readonly display: DisplayParameters;
  readonly wall: WallParameters;
  readonly motion: MotionParameters;
  readonly lung: LungParameters;
  /** Present exactly for the class `consolidation`. */
  readonly consolidation: ConsolidationParameters | null;
}

/** Speed of sound in soft tissue, mm/µs. */
export const SOUND_MM_PER_US = 1.54;

export function decibels(level: number): number {
  return Math.pow(10, level / 20);
}
