/** Handles of tensors with one owner each: dispose of them. Several handles may share one tensor's memory. */
import type { Address } from '../../native/memory.ts';
import type { Library } from './library.ts';

export class Tensor implements Disposable {
  readonly #library: Pick<Library, 'functions'>;
  #handle: Address | 0;

  /** Takes the handle over. */
  constructor(library: Pick<Library, 'functions'>, handle: Address) {
    if (handle === 0) throw new TypeError('an operator of PyTorch made no tensor where one was expected');
    this.#library = library;
    this.#handle = handle;
  }

  /** To be lent, never kept. Error: `TypeError` once it is disposed of: the library would crash. */
  get handle(): Address {
    if (this.#handle === 0) throw new TypeError('this tensor has been given back');
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle === 0) return;
    this.#library.functions.deleteTensor(this.#handle);
    this.#handle = 0;
  }
}
