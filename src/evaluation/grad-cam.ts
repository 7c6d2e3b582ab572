/**
 * Grad-CAM (Selvaraju et al., ICCV 2017): where in a picture a class score gets its evidence from, as far as one layer
 * tells. Arithmetic on feature maps and gradients that somebody else has computed; knows no network and no picture.
 *
 * A map says which places raise the score when the layer's features there grow. It does not say that the reason is a
 * good one, and a map that looks right proves nothing (Adebayo et al., NeurIPS 2018): use it to find shortcuts.
 */

/** [channels, height, width] of a feature map. */
export type MapShape = readonly [channels: number, height: number, width: number];

export interface Grid {
  readonly width: number;
  readonly height: number;
}

/**
 * Heat [height, width] of image `index` of a batch: ReLU(Σ_c α_c·A_c) with α_c = mean over places of ∂score/∂A_c
 * (equations 1 and 2). `activations` and `gradients` are [batch, channels, height, width]. Not normalised: zero
 * everywhere where nothing in this layer speaks for the class.
 */
export function gradCam(
  activations: Float32Array,
  gradients: Float32Array,
  shape: MapShape,
  index: number,
): Float32Array {
  const [channels, height, width] = shape;
  const places = height * width;
  const start = index * channels * places;
  if (activations.length !== gradients.length || start + channels * places > activations.length)
    throw new RangeError(
      `${activations.length} activations and ${gradients.length} gradients hold no image ${index} of [${shape.join()}].`,
    );
  const sum = new Float64Array(places);
  for (let channel = 0; channel < channels; channel++) {
    const from = start + channel * places;
    let weight = 0;
    for (let i = 0; i < places; i++) weight += gradients[from + i]!;
    weight /= places;
    for (let i = 0; i < places; i++) sum[i]! += weight * activations[from + i]!;
  }
  return Float32Array.from(sum, (value) => Math.max(0, value));
}

/**
 * A map drawn larger (or smaller) by linear interpolation between cell centres, the border cells continued outwards:
 * PyTorch's `interpolate(mode='bilinear', align_corners=False)`. Both sides stretch on their own, as the evaluation view
 * stretches a frame to the network's square.
 */
export function resizeMap(map: Float32Array, from: Grid, to: Grid): Float32Array {
  if (map.length !== from.width * from.height)
    throw new RangeError(`${map.length} values are no map of ${from.width}×${from.height}.`);
  const columns = placesOf(from.width, to.width);
  const rows = placesOf(from.height, to.height);
  const result = new Float32Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    const row = rows[y]!;
    const [above, below] = [row.low * from.width, row.high * from.width];
    for (let x = 0; x < to.width; x++) {
      const { low, high, part } = columns[x]!;
      const upper = map[above + low]! * (1 - part) + map[above + high]! * part;
      const lower = map[below + low]! * (1 - part) + map[below + high]! * part;
      result[y * to.width + x] = upper * (1 - row.part) + lower * row.part;
    }
  }
  return result;
}

function placesOf(from: number, to: number): { low: number; high: number; part: number }[] {
  return Array.from({ length: to }, (_, index) => {
    const place = Math.max(0, ((index + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(place));
    return { low, high: Math.min(from - 1, low + 1), part: place - low };
  });
}

/** How much of the heat lies inside a region, and how much of the picture the region is. */
export interface InsideShare {
  /** Σ heat inside / Σ heat; null for a map without heat. */
  readonly heat: number | null;
  /** Share of the pixels inside: what heat spread evenly would give. */
  readonly area: number;
}

/** `inside` is 1 (or anything but 0) where a pixel is in the region; both are [height, width] of one size. */
export function insideShare(heat: Float32Array, inside: Uint8Array): InsideShare {
  if (heat.length !== inside.length)
    throw new RangeError(`A map of ${heat.length} values does not fit a region of ${inside.length}.`);
  let total = 0;
  let within = 0;
  let pixels = 0;
  for (let i = 0; i < heat.length; i++) {
    total += heat[i]!;
    if (inside[i] === 0) continue;
    within += heat[i]!;
    pixels += 1;
  }
  return { heat: total > 0 ? within / total : null, area: pixels / heat.length };
}
