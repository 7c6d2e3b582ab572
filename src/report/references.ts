/** What a methods section has to cite. Numbered in the order in which a text first names them. */
import { type Html, html } from '../charts/markup.ts';
import type { Reference } from '../methods/method.ts';

const REFERENCES = {
  resnet:
    'He K, Zhang X, Ren S, Sun J. Deep Residual Learning for Image Recognition. CVPR 2016. doi:10.1109/CVPR.2016.90',
  bootstrap: 'Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall, 1993.',
  calibration:
    'Guo C, Pleiss G, Sun Y, Weinberger KQ. On Calibration of Modern Neural Networks. ICML 2017. arXiv:1706.04599',
  mixup:
    'Zhang H, Cisse M, Dauphin YN, Lopez-Paz D. mixup: Beyond Empirical Risk Minimization. ICLR 2018. arXiv:1710.09412',
} as const;

/** Numbers references as they are cited. */
export class Citations {
  readonly #cited: Reference[] = [];

  /** `[1]`. One of those above by its key, or what a method cites. */
  cite(source: keyof typeof REFERENCES | Reference): string {
    const reference = typeof source === 'string' ? { key: source, text: REFERENCES[source] } : source;
    const known = this.#cited.findIndex(({ key }) => key === reference.key);
    if (known === -1) this.#cited.push(reference);
    return `[${known === -1 ? this.#cited.length : known + 1}]`;
  }

  /** The list of what was cited. */
  list(): Html {
    return html`<ol class="small">
      ${this.#cited.map(({ text }) => html`<li>${text}</li>`)}
    </ol>`;
  }
}
