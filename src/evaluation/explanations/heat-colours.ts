/**
 * Colours for heat over grey pictures. The scale runs from dark violet over magenta and orange to light yellow with
 * evenly rising lightness (in OKLab, Ottosson 2020), so that order can be read in grey print and with any colour
 * vision; cold places stay transparent, so that the picture is seen where nothing is to be shown.
 */

/** Lightness, chroma and hue in degrees, from cold to hot. Lightness rises evenly along the scale. */
const STOPS: readonly (readonly [chroma: number, hue: number])[] = [
  [0.1, 290],
  [0.17, 312],
  [0.19, 350],
  [0.17, 28],
  [0.15, 58],
  [0.15, 88],
  [0.12, 106],
];
const COLDEST = 0.28;
const HOTTEST = 0.95;

/** [256, 3] sRGB bytes: colour of heat 0 to 255. */
export const HEAT_COLOURS: Uint8Array = makeTable();

function makeTable(): Uint8Array {
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const share = i / 255;
    const place = share * (STOPS.length - 1);
    const low = Math.min(STOPS.length - 2, Math.floor(place));
    const [from, to] = [labOf(STOPS[low]!), labOf(STOPS[low + 1]!)];
    const part = place - low;
    const a = from[0] + (to[0] - from[0]) * part;
    const b = from[1] + (to[1] - from[1]) * part;
    table.set(srgbOf(COLDEST + (HOTTEST - COLDEST) * share, a, b), 3 * i);
  }
  return table;
}

function labOf([chroma, hue]: readonly [number, number]): readonly [a: number, b: number] {
  const angle = (hue * Math.PI) / 180;
  return [chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

/** OKLab to sRGB bytes; what lies outside of sRGB loses chroma, never lightness. */
function srgbOf(lightness: number, a: number, b: number): [number, number, number] {
  for (let kept = 1; ; kept -= 0.02) {
    const linear = linearOf(lightness, a * kept, b * kept);
    if (kept > 0.01 && linear.some((value) => value < -1e-4 || value > 1 + 1e-4)) continue;
    return [byteOf(linear[0]), byteOf(linear[1]), byteOf(linear[2])];
  }
}

function linearOf(lightness: number, a: number, b: number): readonly [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function byteOf(linear: number): number {
  const value = Math.min(1, Math.max(0, linear));
  return Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
}

/** Opacity of the hottest place. */
const STRONGEST = 0.75;

/**
 * A frame with heat over it as [height, width, 3] bytes. `frame` is [height, width, channels] with 1 or 3 channels,
 * `heat` [height, width]; heat of `full` (and more) has the hottest colour. Opacity grows with heat, so that a place
 * without heat is the frame's own pixel. With `full` 0 the frame stays as it is.
 */
export function overlayHeat(frame: Uint8Array, heat: Float32Array, full: number): Uint8Array {
  const channels = frame.length / heat.length;
  if (channels !== 1 && channels !== 3)
    throw new RangeError(`${frame.length} bytes and a map of ${heat.length} are not of one picture.`);
  const result = new Uint8Array(3 * heat.length);
  for (let i = 0; i < heat.length; i++) {
    const share = full > 0 ? Math.min(1, heat[i]! / full) : 0;
    const colour = 3 * Math.round(255 * share);
    const opacity = STRONGEST * share;
    for (let c = 0; c < 3; c++) {
      const below = frame[channels * i + (channels === 3 ? c : 0)]!;
      result[3 * i + c] = Math.round(below + opacity * (HEAT_COLOURS[colour + c]! - below));
    }
  }
  return result;
}
