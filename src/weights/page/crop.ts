/**
 * The rectangle of a frame that is classified: dragged by its corners or its inside, with a mouse, a pen or a finger, or typed
 * as numbers, which a keyboard and a screen reader do. Finding the field of the ultrasound is the person's part.
 */
import type { Rectangle } from '../../ingest/field/raster.ts';
import type { Size } from '../../video/geometry.ts';
import { button, element } from './dom.ts';

/** A smaller crop is a mistake, as for an ingest. */
const LEAST = 16;

/** The stage is four by three; pictures of other shapes stand in its middle. */
const STAGE = 4 / 3;

/** Longest side of the picture that is shown. */
const SHOWN = 960;

const CORNERS = ['top left', 'top right', 'bottom left', 'bottom right'] as const;
type Grip = (typeof CORNERS)[number] | 'inside';
const SIDES = ['left', 'top', 'width', 'height'] as const;

/** Shares of the frame's sides: the same crop for frames of any size. */
export type Shares = Readonly<Rectangle>;

export interface CropEvents {
  /** The crop is another one now. */
  changed(): void;
  /** All files are to have this crop. */
  forAll(shares: Shares): void;
}

export class CropBox {
  /** The picture with the rectangle. */
  readonly stage = element('div', { class: 'stage' });
  /** The rectangle in numbers, and what is done with it. */
  readonly controls: HTMLElement;
  readonly #picture = element('div', { class: 'picture' });
  readonly #canvas = element('canvas', { 'aria-hidden': 'true' });
  readonly #frame = element('div', { class: 'crop', 'aria-hidden': 'true', hidden: true });
  readonly #inputs: readonly HTMLInputElement[];
  readonly #events: CropEvents;
  #size: Size | null = null;
  #kept: Rectangle = { x: 0, y: 0, width: 0, height: 0 };

  /** `label` names the file, for who does not see it. */
  constructor(label: string, events: CropEvents) {
    this.#events = events;
    this.#picture.append(this.#canvas, this.#frame);
    this.stage.append(this.#picture);
    for (const corner of CORNERS) {
      const grip = element('span', { class: `corner ${corner}` });
      this.#frame.append(grip);
      this.#listen(grip, corner);
    }
    this.#listen(this.#frame, 'inside');
    this.#inputs = SIDES.map((side) =>
      element('input', {
        type: 'number',
        min: side.length > 4 ? `${LEAST}` : '0',
        step: '1',
        disabled: true,
        name: side,
      }),
    );
    for (const input of this.#inputs)
      input.addEventListener('change', () => {
        this.#typed();
      });
    this.controls = element(
      'fieldset',
      { class: 'controls' },
      element('legend', {}, 'Crop, in pixels', element('span', { class: 'hidden' }, ` of ${label}`)),
      ...this.#inputs.map((input, i) => element('label', {}, SIDES[i]!, input)),
      element(
        'div',
        { class: 'buttons' },
        button('Whole frame', () => {
          this.use({ x: 0, y: 0, width: 1, height: 1 });
        }),
        button('Use for all files', () => {
          const shares = this.shares;
          if (shares !== null) this.#events.forAll(shares);
        }),
      ),
    );
  }

  /** In pixels of the frame. */
  get kept(): Rectangle {
    return this.#kept;
  }

  /** The crop by shares, once a frame is known. */
  get shares(): Shares | null {
    if (this.#size === null) return null;
    const { width, height } = this.#size;
    const { x, y, width: w, height: h } = this.#kept;
    return { x: x / width, y: y / height, width: w / width, height: h / height };
  }

  /** Takes the size of the frames; the crop is the whole frame, or that of `shares`. */
  open(size: Size, shares: Shares | null): void {
    this.#size = size;
    const isWide = size.width / size.height > STAGE;
    this.#picture.style.width = isWide ? '100%' : `${(100 * size.width) / size.height / STAGE}%`;
    this.#picture.style.height = isWide ? `${((100 * size.height) / size.width) * STAGE}%` : '100%';
    const scale = Math.min(1, SHOWN / Math.max(size.width, size.height));
    this.#canvas.width = Math.max(1, Math.round(size.width * scale));
    this.#canvas.height = Math.max(1, Math.round(size.height * scale));
    this.#frame.hidden = false;
    for (const input of this.#inputs) input.disabled = false;
    this.#kept = this.#fromShares(shares ?? { x: 0, y: 0, width: 1, height: 1 });
    this.#draw();
  }

  /** Shows a frame. */
  show(frame: CanvasImageSource): void {
    this.#canvas.getContext('2d')?.drawImage(frame, 0, 0, this.#canvas.width, this.#canvas.height);
  }

  /** Sets the crop; `changed` is told where it is another one. */
  use(shares: Shares): void {
    if (this.#size !== null) this.#set(this.#fromShares(shares), true);
  }

  #fromShares({ x, y, width, height }: Shares): Rectangle {
    const { width: w, height: h } = this.#size!;
    return within(
      {
        x: Math.round(x * w),
        y: Math.round(y * h),
        width: Math.round(width * w),
        height: Math.round(height * h),
      },
      this.#size!,
    );
  }

  #typed(): void {
    if (this.#size === null) return;
    const [x, y, width, height] = this.#inputs.map(({ value }) => Math.round(Number(value)));
    this.#set(within({ x: x!, y: y!, width: width!, height: height! }, this.#size), true);
  }

  #set(kept: Rectangle, isDone: boolean): void {
    const before = this.#kept;
    this.#kept = kept;
    this.#draw();
    if (isDone && !isEqual(before, kept)) this.#events.changed();
  }

  #draw(): void {
    const { x, y, width, height } = this.#kept;
    for (const [i, value] of [x, y, width, height].entries()) this.#inputs[i]!.value = String(value);
    const shares = this.shares!;
    this.#frame.style.left = `${100 * shares.x}%`;
    this.#frame.style.top = `${100 * shares.y}%`;
    this.#frame.style.width = `${100 * shares.width}%`;
    this.#frame.style.height = `${100 * shares.height}%`;
    // A finger on a frame that is whole scrolls the page.
    this.#frame.classList.toggle('part', shares.width < 1 || shares.height < 1);
  }

  #listen(target: HTMLElement, grip: Grip): void {
    target.addEventListener('pointerdown', (down) => {
      if (this.#size === null || !down.isPrimary || down.button !== 0) return;
      if (grip === 'inside' && !this.#frame.classList.contains('part')) return;
      down.preventDefault();
      down.stopPropagation();
      const size = this.#size;
      const start = this.#kept;
      const { width } = this.#picture.getBoundingClientRect();
      const pixels = size.width / width;
      target.setPointerCapture(down.pointerId);
      const move = (event: PointerEvent): void => {
        const [dx, dy] = [event.clientX - down.clientX, event.clientY - down.clientY];
        this.#set(dragged(start, grip, Math.round(dx * pixels), Math.round(dy * pixels), size), false);
      };
      const end = (): void => {
        target.removeEventListener('pointermove', move);
        target.removeEventListener('pointerup', end);
        target.removeEventListener('pointercancel', end);
        if (!isEqual(start, this.#kept)) this.#events.changed();
      };
      target.addEventListener('pointermove', move);
      target.addEventListener('pointerup', end);
      target.addEventListener('pointercancel', end);
    });
  }
}

/** The rectangle after one of its corners, or all of it, has gone so far. */
export function dragged(start: Rectangle, grip: Grip, dx: number, dy: number, size: Size): Rectangle {
  if (grip === 'inside') {
    const x = clamp(start.x + dx, 0, size.width - start.width);
    const y = clamp(start.y + dy, 0, size.height - start.height);
    return { ...start, x, y };
  }
  let [left, top] = [start.x, start.y];
  let [right, bottom] = [left + start.width, top + start.height];
  if (grip.endsWith('left')) left = clamp(left + dx, 0, right - LEAST);
  else right = clamp(right + dx, left + LEAST, size.width);
  if (grip.startsWith('top')) top = clamp(top + dy, 0, bottom - LEAST);
  else bottom = clamp(bottom + dy, top + LEAST, size.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The rectangle brought into the frame, no smaller than a crop may be. */
export function within({ x, y, width, height }: Rectangle, size: Size): Rectangle {
  const left = clamp(x, 0, size.width - LEAST);
  const top = clamp(y, 0, size.height - LEAST);
  return {
    ...{ x: left, y: top },
    width: clamp(width, LEAST, size.width - left),
    height: clamp(height, LEAST, size.height - top),
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Number.isFinite(value) ? value : least));
}

function isEqual(a: Rectangle, b: Rectangle): boolean {
  return a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
}
