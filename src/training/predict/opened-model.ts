/** A fine-tuned model with the backend it runs on, opened and closed together. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Backend, Precision } from '../../engine/backend.ts';
import { openBackend } from '../../engine/open.ts';
import { type Model, openModel } from '../finetune/model.ts';

export interface ModelUse {
  readonly backend?: 'auto' | 'onednn' | 'reference';
  readonly threads?: number;
  /** Default: the fastest of the backend. */
  readonly precision?: Precision;
  readonly onNote?: (text: string) => void;
}

/** Which weights an output is of. */
export interface ModelIdentity {
  readonly path: string;
  /** Of the file, hex. */
  readonly sha256: string;
  readonly classes: string[];
  readonly precision: Precision;
}

export class OpenedModel implements Disposable {
  readonly model: Model;
  readonly precision: Precision;
  readonly #backend: Backend;

  /** Errors: those of `openBackend` and `openModel`. */
  constructor(source: string, batch: number, options: ModelUse) {
    const { backend = 'auto', threads, precision, onNote } = options;
    this.#backend = openBackend({
      kind: backend,
      ...(threads === undefined ? {} : { threads }),
      ...(onNote === undefined ? {} : { onFallback: onNote }),
    });
    this.precision = precision ?? this.#backend.describe().precisions[0] ?? 'f32';
    try {
      this.model = openModel(source, this.#backend, { batch, precision: this.precision });
    } catch (thrown) {
      this.#backend[Symbol.dispose]();
      throw thrown;
    }
  }

  identity(): ModelIdentity {
    const { path, classes } = this.model;
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    return { path, sha256, classes: [...classes], precision: this.precision };
  }

  [Symbol.dispose](): void {
    this.model[Symbol.dispose]();
    this.#backend[Symbol.dispose]();
  }
}
