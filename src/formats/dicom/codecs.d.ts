/** The parts of the WebAssembly codecs that are used; the packages come without types. */

interface CodecFrameInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned: boolean;
}

/** An object in the codec's own memory, until it is deleted. */
interface CodecDecoder {
  /** A view of the codec's memory to put the codestream into. */
  getEncodedBuffer(length: number): Uint8Array;
  /** A view of the codec's memory, valid until the next call. */
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): CodecFrameInfo;
  decode(): void;
  delete(): void;
}

interface CodecOptions {
  readonly print: (text: string) => void;
  readonly printErr: (text: string) => void;
}

declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  export interface JpegDecoder extends CodecDecoder {
    readHeader(): void;
  }
  export interface JpegModule {
    readonly HEAPU8: Uint8Array;
    readonly JPEGDecoder: new () => JpegDecoder;
  }
  export default function open(options: CodecOptions): Promise<JpegModule>;
}

declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  export interface JpegLsDecoder extends CodecDecoder {
    /** 0 planes, 1 lines, 2 samples; all three come out as the standard has them. */
    getInterleaveMode(): number;
  }
  export interface JpegLsModule {
    readonly HEAPU8: Uint8Array;
    readonly JpegLSDecoder: new () => JpegLsDecoder;
  }
  export default function open(options: CodecOptions): Promise<JpegLsModule>;
}

declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  export interface Jpeg2000Module {
    readonly HEAPU8: Uint8Array;
    readonly J2KDecoder: new () => CodecDecoder;
  }
  export default function open(options: CodecOptions): Promise<Jpeg2000Module>;
}
