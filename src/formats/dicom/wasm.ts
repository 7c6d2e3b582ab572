/**
 * Codecs in WebAssembly, held at arm's length: opened when first needed, silent, and given up after a trap, after a few
 * failures (a failed call may leave memory behind) or when their memory has grown large. Whatever goes wrong inside
 * becomes one `UsclError`; the next call starts with a sound codec.
 */
import { UsclError } from '../../base/errors.ts';
import { dicomError } from './errors.ts';

/** A codec's module, as far as its keeper needs to know it. */
interface CodecModule {
  readonly HEAPU8: Uint8Array;
}

/** Failed calls after which a codec is opened anew. */
const MAX_FAILURES = 8;
/** Their memory only grows. Beyond this it is given back after the call. */
const KEPT_BYTES = 64 * 2 ** 20;

/** A new one for each module: it becomes the module. */
const silent = (): CodecOptions => ({ print: () => undefined, printErr: () => undefined });

export class Codec<Module extends CodecModule> {
  readonly #name: string;
  readonly #open: (options: CodecOptions) => Promise<Module>;
  #module: Module | undefined;
  #failures = 0;

  constructor(name: string, open: (options: CodecOptions) => Promise<Module>) {
    this.#name = name;
    this.#open = open;
  }

  /**
   * Runs a decoder on a codestream, within one turn, so that calls never meet.
   *
   * @param use gets the decoder with the codestream in it; views of the codec's memory must not leave it.
   * @throws UsclError what `use` throws, otherwise `DICOM_CODESTREAM`.
   */
  async run<Decoder extends CodecDecoder, Result>(
    make: (module: Module) => Decoder,
    codestream: Uint8Array,
    use: (decoder: Decoder) => Result,
    where: string,
  ): Promise<Result> {
    const module = (this.#module ??= await this.#open(silent()));
    try {
      const decoder = make(module);
      try {
        decoder.getEncodedBuffer(codestream.length).set(codestream);
        return use(decoder);
      } finally {
        decoder.delete();
      }
    } catch (thrown) {
      this.#failures++;
      // A trap or an abort, which are errors of the host, leave the codec's memory in an unknown state.
      if (this.#failures >= MAX_FAILURES || (thrown instanceof Error && !(thrown instanceof UsclError)))
        this.#drop(module);
      if (thrown instanceof UsclError) throw thrown;
      throw dicomError('DICOM_CODESTREAM', `The frame is no whole ${this.#name} picture.`, where);
    } finally {
      if (module.HEAPU8.length > KEPT_BYTES) this.#drop(module);
    }
  }

  #drop(module: Module): void {
    if (this.#module === module) this.#module = undefined;
    this.#failures = 0;
  }
}
