/**
 * Operations on a grid of cells that are 0 or 1 each: opening, closing, connected parts, filled holes. Cells beyond
 * the border count as 0 when growing and as 1 when shrinking, so that what touches the border stays there.
 */
export interface Cells {
  readonly columns: number;
  readonly rows: number;
  /** [rows, columns], 0 or 1. */
  readonly data: Uint8Array;
}

export function grow(cells: Cells, radius: number): Cells {
  return sweep(sweep(cells, radius, true, 1), radius, false, 1);
}

export function shrink(cells: Cells, radius: number): Cells {
  return sweep(sweep(cells, radius, true, 0), radius, false, 0);
}

/** Takes out what is thinner than 2 · radius + 1. */
export function open(cells: Cells, radius: number): Cells {
  return grow(shrink(cells, radius), radius);
}

/** Fills gaps narrower than 2 · radius + 1. */
export function close(cells: Cells, radius: number): Cells {
  return shrink(grow(cells, radius), radius);
}

export interface Part {
  /** Number of the part in `labels`, from 1. */
  readonly label: number;
  readonly area: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Parts of the cells that are `value`, connected over edges, largest first. */
export function partsOf(
  cells: Cells,
  value: 0 | 1 = 1,
): { readonly parts: readonly Part[]; readonly labels: Int32Array } {
  const { columns, rows, data } = cells;
  const labels = new Int32Array(data.length);
  const stack = new Int32Array(data.length);
  const parts: Part[] = [];
  for (let start = 0; start < data.length; start++) {
    if (data[start] !== value || labels[start] !== 0) continue;
    const label = parts.length + 1;
    let [area, left, right, top, bottom] = [0, columns, 0, rows, 0];
    let depth = 0;
    labels[start] = label;
    stack[depth++] = start;
    while (depth > 0) {
      const at = stack[--depth]!;
      const x = at % columns;
      const y = (at - x) / columns;
      area++;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
      // Written out: a function made here would be made for each cell.
      if (x > 0 && data[at - 1] === value && labels[at - 1] === 0) {
        labels[at - 1] = label;
        stack[depth++] = at - 1;
      }
      if (x + 1 < columns && data[at + 1] === value && labels[at + 1] === 0) {
        labels[at + 1] = label;
        stack[depth++] = at + 1;
      }
      if (y > 0 && data[at - columns] === value && labels[at - columns] === 0) {
        labels[at - columns] = label;
        stack[depth++] = at - columns;
      }
      if (y + 1 < rows && data[at + columns] === value && labels[at + columns] === 0) {
        labels[at + columns] = label;
        stack[depth++] = at + columns;
      }
    }
    parts.push({ label, area, left, right, top, bottom });
  }
  parts.sort((a, b) => b.area - a.area || a.label - b.label);
  return { parts, labels };
}

/** Sets cells that are enclosed: not connected to the border through 0. */
export function fillHoles(cells: Cells): Cells {
  const { parts, labels } = partsOf(cells, 0);
  const open = new Set(
    parts
      .filter(
        ({ left, right, top, bottom }) =>
          left === 0 || top === 0 || right === cells.columns - 1 || bottom === cells.rows - 1,
      )
      .map(({ label }) => label),
  );
  return { ...cells, data: cells.data.map((value, i) => (value === 1 || !open.has(labels[i]!) ? 1 : 0)) };
}

export function select(cells: Cells, labels: Int32Array, wanted: ReadonlySet<number>): Cells {
  return { ...cells, data: cells.data.map((_, i) => (wanted.has(labels[i]!) ? 1 : 0)) };
}

/** Sets each cell to `value` that has a cell of `value` within `radius` along the row (or column). */
function sweep(cells: Cells, radius: number, alongRows: boolean, value: 0 | 1): Cells {
  const { columns, rows, data } = cells;
  const result = data.slice();
  const [lines, length] = alongRows ? [rows, columns] : [columns, rows];
  const step = alongRows ? 1 : columns;
  for (let line = 0; line < lines; line++) {
    const base = alongRows ? line * columns : line;
    let last = -Infinity;
    for (let i = 0; i < length; i++) {
      if (data[base + i * step] === value) last = i;
      if (i - last <= radius) result[base + i * step] = value;
    }
    last = Infinity;
    for (let i = length - 1; i >= 0; i--) {
      if (data[base + i * step] === value) last = i;
      if (last - i <= radius) result[base + i * step] = value;
    }
  }
  return { columns, rows, data: result };
}
