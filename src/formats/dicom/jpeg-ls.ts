/** JPEG-LS frames (ITU-T T.87), lossless and near-lossless, through CharLS. */
import type { JpegLsModule } from '@cornerstonejs/codec-charls/decodewasmjs';
import type { DicomFrames } from './image.ts';
import { damaged, type JpegHeader } from './jpeg-header.ts';
import { codedShift, copySamples, type Samples } from './samples.ts';
import { Codec } from './wasm.ts';

const codec = new Codec<JpegLsModule>('JPEG-LS', async (options) => {
  const { default: open } = await import('@cornerstonejs/codec-charls/decodewasmjs');
  return open(options);
});

/**
 * @param header of the codestream, its size already found equal to the image's.
 * @throws UsclError `DICOM_CODESTREAM`.
 */
export async function decodeJpegLs(
  coded: Uint8Array,
  header: JpegHeader,
  image: DicomFrames,
  where: string,
): Promise<Samples> {
  return codec.run(
    (module) => new module.JpegLSDecoder(),
    coded,
    (decoder) => {
      decoder.decode();
      const { width, height, componentCount } = decoder.getFrameInfo();
      if (width !== header.width || height !== header.height || componentCount !== header.components.length)
        throw damaged('has two frame headers', where);
      const count = image.rows * image.columns * image.samples;
      const data = copySamples(decoder.getDecodedBuffer(), count, header.precision, where);
      const planar = image.samples === 3 && decoder.getInterleaveMode() === 0;
      const layout = planar ? 'planar' : 'interleaved';
      return { data, owned: true, layout, colour: 'declared', shift: codedShift(header.precision, image) };
    },
    where,
  );
}
