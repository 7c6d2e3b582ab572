/** What a methods section has to cite. Numbered in the order in which a text first names them. */
import { type Html, html } from '../../charts/markup.ts';

const REFERENCES = {
  uscl: 'Chen Y, Zhang C, Liu L, Feng C, Dong C, Luo Y, Wan X. USCL: Pretraining Deep Ultrasound Image Diagnosis Model through Video Contrastive Representation Learning. MICCAI 2021, LNCS 12908. doi:10.1007/978-3-030-87237-3_60',
  resnet:
    'He K, Zhang X, Ren S, Sun J. Deep Residual Learning for Image Recognition. CVPR 2016. doi:10.1109/CVPR.2016.90',
  ntxent:
    'Chen T, Kornblith S, Norouzi M, Hinton G. A Simple Framework for Contrastive Learning of Visual Representations. ICML 2020. arXiv:2002.05709',
  bootstrap: 'Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall, 1993.',
  calibration:
    'Guo C, Pleiss G, Sun Y, Weinberger KQ. On Calibration of Modern Neural Networks. ICML 2017. arXiv:1706.04599',
  mcnemar:
    'McNemar Q. Note on the sampling error of the difference between correlated proportions or percentages. Psychometrika 1947;12:153–157. doi:10.1007/BF02295996',
  mixup:
    'Zhang H, Cisse M, Dauphin YN, Lopez-Paz D. mixup: Beyond Empirical Risk Minimization. ICLR 2018. arXiv:1710.09412',
  gradcam:
    'Selvaraju RR, Cogswell M, Das A, Vedantam R, Parikh D, Batra D. Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization. ICCV 2017. doi:10.1109/ICCV.2017.74',
  umap: 'McInnes L, Healy J, Melville J. UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction. 2018. arXiv:1802.03426',
} as const;

export type Reference = keyof typeof REFERENCES;

/** Numbers references as they are cited. */
export class Citations {
  readonly #cited: Reference[] = [];

  /** `[1]`, or `[1, 3]`. */
  cite(...references: readonly Reference[]): string {
    const numbers = references.map((reference) => {
      if (!this.#cited.includes(reference)) this.#cited.push(reference);
      return this.#cited.indexOf(reference) + 1;
    });
    return `[${numbers.join(', ')}]`;
  }

  /** The list of what was cited. */
  list(): Html {
    return html`<ol class="small">
      ${this.#cited.map((reference) => html`<li>${REFERENCES[reference]}</li>`)}
    </ol>`;
  }
}
