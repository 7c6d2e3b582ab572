/** Numbers as text: one way to write each kind, the same everywhere on the page. */

/** What stands where there is no number. */
export const NONE = '–';

/** Three decimals, with a true minus. */
export function score(value: number | null, decimals = 3): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  return minus(value.toFixed(decimals));
}

/** `0.612–0.803`; with `to` where an end is negative, which a dash would hide. */
export function interval(ends: readonly [number, number] | null, decimals = 3): string {
  if (ends === null) return NONE;
  const [low, high] = ends;
  return `${score(low, decimals)}${low < 0 || high < 0 ? ' to ' : '–'}${score(high, decimals)}`;
}

/** A difference with its sign. */
export function signed(value: number | null, decimals = 3): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const text = score(value, decimals);
  return value > 0 && Number(value.toFixed(decimals)) !== 0 ? `+${text}` : text;
}

/** A share as a percentage: `71.2 %`. */
export function percent(share: number | null, decimals = 1): string {
  if (share === null || !Number.isFinite(share)) return NONE;
  return `${minus((100 * share).toFixed(decimals))} %`;
}

/** As percent without the noise of a trailing `.0`: label rates, confidence levels. */
export function roundPercent(share: number): string {
  return `${minus(String(Number((100 * share).toPrecision(4))))} %`;
}

/** A whole number in groups of three: `31 746`. */
export function count(value: number): string {
  // Means of counts carry the noise of binary fractions.
  const whole = Math.abs(value - Math.round(value)) < 1e-6 ? String(Math.round(value)) : value.toFixed(1);
  const [digits = '', rest] = whole.split('.');
  // Four digits stay together, as style guides have it.
  const grouped = digits.length > 4 ? digits.replaceAll(/\B(?=(\d{3})+$)/g, ' ') : digits;
  return minus(rest === undefined ? grouped : `${grouped}.${rest}`);
}

/** A value of any size in up to four significant digits: `0.0003`, `1.5 × 10⁻⁷`. */
export function plain(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-5 && size < 1e6))
    return minus(Number(value.toPrecision(4)).toLocaleString('en', PLAIN));
  const [digits = '', power = ''] = value.toExponential(3).split('e');
  return `${minus(String(Number(digits)))} × 10${raised(Number(power))}`;
}

const PLAIN = { useGrouping: false, maximumFractionDigits: 10 } as const;

function raised(power: number): string {
  return Array.from(String(power), (letter) => (letter === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(letter)]!)).join(
    '',
  );
}

/** A probability under a null hypothesis. */
export function pValue(p: number | null): string {
  if (p === null || !Number.isFinite(p)) return NONE;
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

/** `1 clip`, `12 clips`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Bytes in binary units: `7.8 GiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]!}`;
}

/** Seconds since 1970 as a date and time in UTC. */
export function moment(seconds: number): string {
  return `${new Date(1000 * seconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** `a, b and c`. */
export function listed(items: readonly string[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)!}`;
}

/** A true minus; none before a zero. */
function minus(text: string): string {
  if (!text.startsWith('-')) return text;
  return Number(text) === 0 ? text.slice(1) : `−${text.slice(1)}`;
}
