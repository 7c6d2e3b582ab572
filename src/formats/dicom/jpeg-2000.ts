/** JPEG 2000 frames, with and without high throughput, bare or in a JP2 file, through OpenJPEG. */
import type { Jpeg2000Module } from '@cornerstonejs/codec-openjpeg/decodewasmjs';
import type { DicomFrames } from './image.ts';
import { codestreamOf, readJpeg2000Header } from './jpeg-2000-header.ts';
import { checkWorking, damaged } from './errors.ts';
import { checkDeclared, codedShift, copySamples, type Samples } from './samples.ts';
import { Codec } from './wasm.ts';

const codec = new Codec<Jpeg2000Module>('JPEG 2000', async (options) =>
  (await import('@cornerstonejs/codec-openjpeg/decodewasmjs')).default(options),
);

/**
 * OpenJPEG repairs what it can: a damaged code block is smooth where it should not be, without a complaint. What it
 * gives up on, and what is not of the declared size, is refused.
 *
 * @throws UsclError `DICOM_CODESTREAM`, `DICOM_UNSUPPORTED`, `DICOM_TOO_LARGE`.
 */
export async function decodeJpeg2000(coded: Uint8Array, image: DicomFrames, where: string): Promise<Samples> {
  const codestream = codestreamOf(coded, where);
  const header = readJpeg2000Header(codestream, where);
  const { width, height, components, precision } = header;
  checkDeclared(header, image, where);
  checkWorking(image.workingBytes + header.tableBytes, image.workingLimit, where);
  return codec.run(
    (module) => new module.J2KDecoder(),
    codestream,
    (decoder) => {
      decoder.decode();
      const info = decoder.getFrameInfo();
      if (info.width !== width || info.height !== height || info.componentCount !== components)
        throw damaged('cannot be decoded', where);
      return {
        data: copySamples(decoder.getDecodedBuffer(), width * height * components, precision, where),
        owned: true,
        layout: 'interleaved',
        // With the transformation undone samples are RGB, whatever the object calls them.
        colour: header.colourTransform && components === 3 ? 'rgb' : 'declared',
        shift: codedShift(precision, image),
      };
    },
    where,
  );
}
