/** What a methods section has to cite. Numbered in the order in which a text first names them. */
import { type Html, html } from '../charts/markup.ts';

const REFERENCES = {
  uscl: 'Chen Y, Zhang C, Liu L, Feng C, Dong C, Luo Y, Wan X. USCL: Pretraining Deep Ultrasound Image Diagnosis Model through Video Contrastive Representation Learning. MICCAI 2021, LNCS 12908. doi:10.1007/978-3-030-87237-3_60',
  resnet:
    'He K, Zhang X, Ren S, Sun J. Deep Residual Learning for Image Recognition. CVPR 2016. doi:10.1109/CVPR.2016.90',
  ntxent:
    'Chen T, Kornblith S, Norouzi M, Hinton G. A Simple Framework for Contrastive Learning of Visual Representations. ICML 2020. arXiv:2002.05709',
  bootstrap: 'Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall, 1993.',
  calibration:
    'Guo C, Pleiss G, Sun Y, Weinberger KQ. On Calibration of Modern Neural Networks. ICML 2017. arXiv:1706.04599',
  mixup:
    'Zhang H, Cisse M, Dauphin YN, Lopez-Paz D. mixup: Beyond Empirical Risk Minimization. ICLR 2018. arXiv:1710.09412',
} as const;

type Reference = keyof typeof REFERENCES;

/** Numbers references as they are cited. */
export class Citations {
  readonly #cited: Reference[] = [];

  /** `[1]`. */
  cite(reference: Reference): string {
    if (!this.#cited.includes(reference)) this.#cited.push(reference);
    return `[${this.#cited.indexOf(reference) + 1}]`;
  }

  /** The list of what was cited. */
  list(): Html {
    return html`<ol class="small">
      ${this.#cited.map((reference) => html`<li>${REFERENCES[reference]}</li>`)}
    </ol>`;
  }
}
