/**
 * The model and the runtime, from the files beside the page. They come as scripts that hold text: that works from a web server
 * and from a folder that is opened by a double click, where browsers refuse to read any other file. Nothing is asked of
 * the network, and the page's policy forbids it. Whether all bytes are right is told by gzip's checksum.
 */
import { type PartFacts, type PartName, pieceFile, TAKE_PIECE } from '../web/facts.ts';
import { PageFailure } from './failure.ts';

/** Pieces that have been loaded and are still packed. */
const waiting = new Map<string, Uint8Array<ArrayBuffer>>();

Object.assign(window, {
  [TAKE_PIECE]: (part: string, piece: number, text: string) => {
    waiting.set(`${part}-${piece}`, bytesOf(text));
  },
});

/** Loads a part; `progress` hears the share that is there. Error: `PageFailure`. */
export async function loadPart(
  part: PartName,
  { pieces, bytes }: PartFacts,
  progress: (share: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof DecompressionStream === 'undefined')
    throw new PageFailure(
      'This browser is too old for the page.',
      'Use Chrome or Edge from 91, Firefox from 113, or Safari from 16.4.',
    );
  const packed: Uint8Array<ArrayBuffer>[] = [];
  for (let piece = 1; piece <= pieces; piece++) {
    packed.push(await loadPiece(part, piece));
    progress(piece / pieces);
  }
  const stream = new Blob(packed).stream().pipeThrough(new DecompressionStream('gzip'));
  let unpacked: ArrayBuffer;
  try {
    unpacked = await new Response(stream).arrayBuffer();
  } catch {
    throw damaged(`parts/${part}`);
  }
  if (unpacked.byteLength !== bytes) throw damaged(`parts/${part}`);
  return new Uint8Array(unpacked);
}

async function loadPiece(part: PartName, piece: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = pieceFile(part, piece);
  const script = document.createElement('script');
  script.src = file;
  await new Promise<void>((resolve, reject) => {
    script.onload = () => {
      resolve();
    };
    script.onerror = () => {
      reject(
        new PageFailure(
          `The file ${file} is missing beside this page.`,
          'Copy the whole folder that uscl export wrote, with all files in parts.',
        ),
      );
    };
    document.head.append(script);
  });
  script.remove();
  const key = `${part}-${piece}`;
  const bytes = waiting.get(key);
  waiting.delete(key);
  if (bytes === undefined) throw damaged(file);
  return bytes;
}

function damaged(what: string): PageFailure {
  return new PageFailure(
    `The files of ${what} are damaged.`,
    'Copy the folder again from where uscl export wrote it.',
  );
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
