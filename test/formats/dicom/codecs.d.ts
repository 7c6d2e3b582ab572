/** The encoders of the WebAssembly codecs, for making test pictures; the packages come without types. */

interface CodecEncoder {
  getDecodedBuffer(frame: {
    width: number;
    height: number;
    bitsPerSample: number;
    componentCount: number;
    isSigned: boolean;
  }): Uint8Array;
  getEncodedBuffer(): Uint8Array;
  encode(): void;
  delete(): void;
}

interface EncoderOptions {
  readonly print: (text: string) => void;
  readonly printErr: (text: string) => void;
}

declare module '@cornerstonejs/codec-charls/wasmjs' {
  export interface JpegLsEncoder extends CodecEncoder {
    setInterleaveMode(mode: number): void;
    setNearLossless(error: number): void;
  }
  export default function open(options: EncoderOptions): Promise<{ JpegLSEncoder: new () => JpegLsEncoder }>;
}

declare module '@cornerstonejs/codec-openjpeg/wasmjs' {
  export interface Jpeg2000Encoder extends CodecEncoder {
    setQuality(reversible: boolean, rate: number): void;
    setDecompositions(levels: number): void;
  }
  export default function open(options: EncoderOptions): Promise<{ J2KEncoder: new () => Jpeg2000Encoder }>;
}
