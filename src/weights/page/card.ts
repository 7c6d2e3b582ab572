/**
 * What is shown of one file: its picture with the crop, its probabilities as numbers and bars, and its frames. Everything has
 * its place from the start, so that nothing moves when numbers come.
 */
import type { Size } from '../../video/geometry.ts';
import type { PageFacts } from '../web/facts.ts';
import type { OnFrame, Reading, SaidFrame } from './classify.ts';
import { CropBox, type CropEvents } from './crop.ts';
import { button, counted, element, percent } from './dom.ts';
import type { PageFailure } from './failure.ts';

export interface CardEvents extends CropEvents {
  removed(): void;
}

/** What stands where there is no number yet. */
const NONE = '–';

export class Card {
  readonly root: HTMLElement;
  readonly crop: CropBox;
  readonly #facts: PageFacts;
  readonly #name: string;
  readonly #size = element('p', { class: 'note' }, NONE);
  readonly #verdict = element('p', { class: 'verdict' }, 'Waiting');
  readonly #bars: readonly {
    readonly row: HTMLElement;
    readonly bar: HTMLElement;
    readonly number: HTMLElement;
  }[];
  readonly #table: HTMLElement;
  readonly #progress = element('progress', { max: '1', value: '0', 'aria-label': 'Frames classified' });
  readonly #used = element('p', { class: 'note used' }, NONE);
  readonly #problem = element('div', { class: 'problem', hidden: true });
  readonly #frames = element('details', { class: 'frames', hidden: true });

  constructor(name: string, id: number, facts: PageFacts, events: CardEvents) {
    this.#facts = facts;
    this.#name = name;
    this.crop = new CropBox(name, events);
    this.#bars = facts.classes.map((label) => {
      const bar = element('span', { class: 'bar' });
      const number = element('td', { class: 'number' }, NONE);
      const track = element('td', { class: 'track', 'aria-hidden': 'true' }, bar);
      const row = element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('bdi', {}, label)),
        number,
        track,
      );
      return { row, bar, number };
    });
    this.#table = element(
      'table',
      { class: 'bars' },
      element('caption', { class: 'hidden' }, `Probabilities of ${name}`),
      element('tbody', {}, ...this.#bars.map(({ row }) => row)),
    );
    const remove = button('Remove', events.removed.bind(events));
    remove.append(element('span', { class: 'hidden' }, ` ${name}`));
    this.root = element(
      'article',
      { class: 'clip', 'aria-labelledby': `file-${id}` },
      element('div', { class: 'look' }, this.crop.stage, this.crop.controls),
      element(
        'div',
        { class: 'words' },
        element(
          'div',
          { class: 'title' },
          element('h3', { id: `file-${id}` }, element('bdi', {}, name)),
          remove,
        ),
        this.#size,
        this.#verdict,
        this.#problem,
        this.#table,
        this.#progress,
        this.#used,
        this.#frames,
      ),
    );
  }

  /** The file is open: how large its frames are, and how many there will be. */
  opened({ width, height }: Size, times: readonly number[] | null): void {
    const what = times === null ? 'picture' : `video, ${counted(times.length, 'frame')} to look at`;
    this.#size.textContent = `${width} × ${height} pixels, ${what}`;
  }

  /** Numbers are being computed: those that are there are of the crop before. */
  started(text: string): void {
    this.root.setAttribute('aria-busy', 'true');
    this.root.dataset['state'] = 'busy';
    this.#problem.hidden = true;
    this.#table.hidden = false;
    this.#verdict.textContent = text;
    this.#progress.value = 0;
  }

  readonly onFrame: OnFrame = (picture, done, total) => {
    this.crop.show(picture);
    this.#progress.value = done / total;
    this.#used.textContent = total === 1 ? 'Looking at the picture' : `Frame ${done + 1} of ${total}`;
  };

  /** What came out. */
  finished(reading: Reading): void {
    const { mean, frames, dropped, milliseconds, votes } = reading;
    const { classes, abstainBelow } = this.#facts;
    this.#rest('done');
    this.#progress.value = 1;
    const likeliest = element('strong', {}, element('bdi', {}, classes[mean.likeliest]!));
    this.#verdict.replaceChildren(
      ...(mean.isAnswered
        ? [likeliest, ` ${percent(mean.confidence)}`]
        : [
            element('strong', {}, 'No answer'),
            `: no class reaches ${Math.round(100 * abstainBelow)}\u00a0%`,
          ]),
    );
    for (const [c, { row, bar, number }] of this.#bars.entries()) {
      const value = mean.probabilities[c]!;
      number.textContent = percent(value);
      bar.style.width = `${100 * value}%`;
      row.classList.toggle('likeliest', c === mean.likeliest);
    }
    const left = dropped === 0 ? '' : `, ${dropped} left out (black, of one shade, or repeated)`;
    const share = percent(votes[mean.likeliest]!);
    const voted = frames.length === 1 ? '' : `; ${classes[mean.likeliest]!} is likeliest in ${share} of them`;
    const used = frames.length === 1 ? '1 frame' : `Mean of ${frames.length} frames`;
    this.#used.textContent = `${used}${left}${voted}. Computed in ${(milliseconds / 1000).toFixed(milliseconds < 1000 ? 2 : 1)}\u00a0s.`;
    this.#list(frames);
  }

  /** Why there are no numbers. */
  failed({ message, remedy }: PageFailure): void {
    this.#rest('failed');
    this.#progress.value = 0;
    this.#verdict.textContent = 'Not classified';
    this.#used.textContent = NONE;
    this.#table.hidden = true;
    this.root.classList.toggle('unread', this.crop.shares === null);
    this.#frames.hidden = true;
    this.#problem.hidden = false;
    this.#problem.replaceChildren(element('p', {}, message), element('p', {}, remedy));
  }

  #rest(state: 'done' | 'failed'): void {
    this.root.removeAttribute('aria-busy');
    this.root.dataset['state'] = state;
  }

  /** The probabilities of every frame that was used. */
  #list(frames: readonly SaidFrame[]): void {
    const { classes } = this.#facts;
    const head = ['frame', ...((frames[0]?.seconds ?? null) === null ? [] : ['seconds']), ...classes];
    const rows = frames.map(({ seconds, probabilities }, i) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, String(i)),
        ...(seconds === null ? [] : [element('td', { class: 'number' }, seconds.toFixed(2))]),
        ...probabilities.map((value) => element('td', { class: 'number' }, value.toFixed(4))),
      ),
    );
    const isOpen = this.#frames.open;
    this.#frames.replaceChildren(
      element(
        'summary',
        {},
        frames.length === 1 ? 'The frame in numbers' : `The ${frames.length} frames in numbers`,
      ),
      element(
        'div',
        {
          class: 'scroll',
          tabindex: '0',
          role: 'region',
          'aria-label': `Probabilities of ${this.#name} frame by frame`,
        },
        element(
          'table',
          {},
          element(
            'thead',
            {},
            element('tr', {}, ...head.map((name) => element('th', { scope: 'col' }, name))),
          ),
          element('tbody', {}, ...rows),
        ),
      ),
    );
    this.#frames.hidden = false;
    this.#frames.open = isOpen;
  }
}
