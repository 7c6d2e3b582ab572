/**
 * JPEG frames of all kinds that DICOM knows: DCT (8 bits), lossless (process 14) and JPEG-LS, by what the codestream is
 * and not by what the transfer syntax says. The codestream's own size is checked before it is decoded.
 *
 * The colours of DCT frames are decided by evidence. Whether three components are YCbCr or RGB is written in the object
 * (Photometric Interpretation) and in the codestream (JFIF and Adobe markers, component letters), and the two disagree
 * in real files: exports that declare RGB around an ordinary JFIF picture are common. The codestream wins; where it says
 * nothing and RGB is declared, halved colours or the samples themselves decide.
 */
import type { JpegLsModule } from '@cornerstonejs/codec-charls/decodewasmjs';
import type { JpegModule } from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs';
import { checkWorking, damaged, dicomError } from './errors.ts';
import type { DicomFrames } from './image.ts';
import { MARKER, readJpegHeader, type JpegHeader } from './jpeg-header.ts';
import { decodeJpegLossless } from './jpeg-lossless.ts';
import { checkDeclared, codedShift, copySamples, type Samples } from './samples.ts';
import { Codec } from './wasm.ts';

const codec = new Codec<JpegModule>('JPEG', async (options) =>
  (await import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs')).default(options),
);

const lsCodec = new Codec<JpegLsModule>('JPEG-LS', async (options) =>
  (await import('@cornerstonejs/codec-charls/decodewasmjs')).default(options),
);

/** Ordinary progressive pictures have about ten; each one costs a walk over the whole frame. */
const MAX_SCANS = 100;

/** @throws UsclError `DICOM_CODESTREAM`, `DICOM_UNSUPPORTED`, `DICOM_TOO_LARGE`. */
export async function decodeJpeg(coded: Uint8Array, image: DicomFrames, where: string): Promise<Samples> {
  const header = readJpegHeader(coded, where);
  checkDeclared({ ...header, components: header.components.length }, image, where);
  if (header.precision < 2)
    throw damaged(`has samples of ${header.precision} bits, where JPEG has 2 at least`, where);
  if (header.process === 'lossless') return decodeJpegLossless(coded, header, image, where);
  if (header.process === 'ls') return decodeJpegLs(coded, header, image, where);
  if (header.precision !== 8)
    throw dicomError(
      'DICOM_UNSUPPORTED',
      `JPEG of ${header.precision} bits is read only where it is lossless.`,
      where,
    );
  if (header.progressive) {
    checkScans(coded, where);
    // Coefficients of the whole frame, 16 bits each.
    checkWorking(
      image.workingBytes + 2 * image.rows * image.columns * image.samples,
      image.workingLimit,
      where,
    );
  }
  if (image.samples === 1)
    return { ...OWN, colour: 'declared', data: await decodeDct(coded, header, image, where) };
  const colour = colourOf(header, image);
  if (colour !== 'unclear')
    return {
      ...OWN,
      colour: 'rgb',
      data: await decodeDct(marked(coded, header, colour === 'ybr' ? 1 : 0), header, image, where),
    };
  const data = await decodeDct(marked(coded, header, 0), header, image, where);
  return { ...OWN, colour: looksLikeYbr(data) ? 'ybr' : 'rgb', data };
}

const OWN = { owned: true, layout: 'interleaved', shift: 0 } as const;

/** What the three components of a DCT frame are; `unclear` where only the samples can tell. */
function colourOf(header: JpegHeader, image: DicomFrames): 'rgb' | 'ybr' | 'unclear' {
  const { components, jfif, adobeTransform } = header;
  if (jfif) return 'ybr';
  if (adobeTransform === 0 || adobeTransform === 1) return adobeTransform === 0 ? 'rgb' : 'ybr';
  if (components.map(({ id }) => String.fromCharCode(id)).join('') === 'RGB') return 'rgb';
  if (image.photometric !== 'RGB') return 'ybr';
  const [first] = components;
  const halved = components.some(
    ({ horizontal, vertical }) => horizontal !== first!.horizontal || vertical !== first!.vertical,
  );
  return halved ? 'ybr' : 'unclear';
}

/** A pixel counts as grey up to this distance of its colours. */
const NEARLY = 16;

/**
 * Whether samples decoded without transformation are YCbCr. Ultrasound is grey for the most part: grey pixels have equal
 * samples as RGB, and two of nearly 128 as YCbCr. Where neither is seen, what decoders assume of such a codestream.
 */
function looksLikeYbr(samples: Uint8Array): boolean {
  let greyAsYbr = 0;
  let greyAsRgb = 0;
  for (let i = 0; i < samples.length; i += 3) {
    const [first, second, third] = [samples[i]!, samples[i + 1]!, samples[i + 2]!];
    if (Math.abs(second - 128) + Math.abs(third - 128) < NEARLY) greyAsYbr++;
    if (Math.abs(second - first) + Math.abs(third - first) < NEARLY) greyAsRgb++;
  }
  return greyAsYbr >= greyAsRgb;
}

/** The codestream with one Adobe marker that says what its components are, in place of what it said before. */
function marked(coded: Uint8Array, header: JpegHeader, transform: 0 | 1): Uint8Array {
  const kept = header.segments.filter(
    ({ marker }) => marker !== MARKER.APP0 && marker !== MARKER.APP14 && marker !== MARKER.SOS,
  );
  const adobe = Buffer.from('ffd8ffee000e41646f626500640000000000', 'hex');
  adobe[adobe.length - 1] = transform;
  // Some writers leave out the last marker; after it nothing is read.
  return Buffer.concat([
    adobe,
    ...kept.map(({ start, end }) => coded.subarray(start - 4, end)),
    coded.subarray(header.scanAt),
    Buffer.of(0xff, MARKER.EOI),
  ]);
}

function checkScans(coded: Uint8Array, where: string): void {
  let scans = 0;
  for (let at = coded.indexOf(0xff); at >= 0; at = coded.indexOf(0xff, at + 1))
    if (coded[at + 1] === MARKER.SOS && ++scans > MAX_SCANS)
      throw damaged(`has more than ${MAX_SCANS} scans`, where);
}

async function decodeDct(
  coded: Uint8Array,
  header: JpegHeader,
  image: DicomFrames,
  where: string,
): Promise<Uint8Array> {
  return codec.run(
    (module) => new module.JPEGDecoder(),
    coded,
    (decoder) => {
      decoder.readHeader();
      checkInfo(decoder.getFrameInfo(), header, where);
      decoder.decode();
      const data = decoder.getDecodedBuffer();
      if (data.length !== image.rows * image.columns * image.samples)
        throw damaged('decodes to another size than it declares', where);
      return Uint8Array.from(data);
    },
    where,
  );
}

/** JPEG-LS (ITU-T T.87), lossless and near-lossless, through CharLS. */
async function decodeJpegLs(
  coded: Uint8Array,
  header: JpegHeader,
  image: DicomFrames,
  where: string,
): Promise<Samples> {
  return lsCodec.run(
    (module) => new module.JpegLSDecoder(),
    coded,
    (decoder) => {
      decoder.decode();
      checkInfo(decoder.getFrameInfo(), header, where);
      const count = image.rows * image.columns * image.samples;
      const data = copySamples(decoder.getDecodedBuffer(), count, header.precision, where);
      const planar = image.samples === 3 && decoder.getInterleaveMode() === 0;
      const layout = planar ? 'planar' : 'interleaved';
      return { data, owned: true, layout, colour: 'declared', shift: codedShift(header.precision, image) };
    },
    where,
  );
}

/** The decoder's own reading, in case it sees another header than the one that was checked. */
function checkInfo(info: CodecFrameInfo, { width, height, components }: JpegHeader, where: string): void {
  if (info.width !== width || info.height !== height || info.componentCount !== components.length)
    throw damaged('has two frame headers', where);
}
