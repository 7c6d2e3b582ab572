/**
 * Finds the clips in a folder: videos, still pictures, and folders of frames (USCL's layout: one folder a video,
 * with or without a level of class folders above). Links out of the source are not followed.
 */
import { readdirSync, statSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf, UsclError } from '../base/errors.ts';
import { FILES } from '../dataset/types.ts';
import { compareNatural, compareText, extensionOf, fileComplaint, joinRelative } from './paths.ts';
import type { Rejection, SourceItem } from './plan.ts';
import { openStill } from './still.ts';

/**
 * How folders of pictures are read. `frames`: every folder is one clip; `stills`: every picture is one clip; `auto`:
 * a folder below the source is one clip when its pictures have equal sizes and names that differ only in numbers.
 */
export type PictureLayout = 'auto' | 'frames' | 'stills';

export interface Discovery {
  readonly items: readonly SourceItem[];
  readonly rejected: readonly Rejection[];
  readonly ignored: number;
}

const PICTURES: readonly string[] = ['jpg', 'jpeg', 'png', 'tif', 'tiff', 'webp'];
const NO_MEDIA: readonly string[] = [
  'csv',
  'tsv',
  'txt',
  'md',
  'json',
  'jsonl',
  'xml',
  'yaml',
  'yml',
  'html',
  'pdf',
];
const NO_MEDIA_NAMES = /^(readme|licen[cs]e|copying|changelog|authors|citation|thumbs\.db|desktop\.ini)/i;
const MAX_DEPTH = 32;

/** Walks `root` (a real path; a folder or a single file). Paths come out sorted. */
export async function discover(root: string, layout: PictureLayout, skip: string): Promise<Discovery> {
  if (statSync(root).isFile()) {
    const path = basename(root);
    const complaint = fileComplaint(dirname(root), path);
    const kind = PICTURES.includes(extensionOf(path)) ? 'still' : 'video';
    return complaint === undefined
      ? { items: [{ kind, path }], rejected: [], ignored: 0 }
      : { items: [], rejected: [{ source: path, reason: complaint }], ignored: 0 };
  }
  const walk = new Walk(root, layout, skip);
  await walk.folder('', 0);
  return {
    items: walk.items.sort((a, b) => compareText(a.path, b.path)),
    rejected: walk.rejected.sort((a, b) => compareText(a.source, b.source)),
    ignored: walk.ignored,
  };
}

class Walk {
  readonly items: SourceItem[] = [];
  readonly rejected: Rejection[] = [];
  ignored = 0;
  readonly #root: string;
  readonly #layout: PictureLayout;
  readonly #skip: string;

  constructor(root: string, layout: PictureLayout, skip: string) {
    this.#root = root;
    this.#layout = layout;
    this.#skip = skip;
  }

  async folder(folder: string, depth: number): Promise<void> {
    const entries = this.#list(folder);
    // The store of a dataset is not a source, wherever it lies.
    if (
      entries.some(({ name }) => name === FILES.frames) &&
      entries.some(({ name }) => name === FILES.manifest)
    ) {
      this.ignored += entries.length;
      return;
    }
    const pictures: string[] = [];
    const folders: string[] = [];
    let videos = 0;
    for (const entry of entries) {
      const path = joinRelative(folder, entry.name);
      if (entry.name.startsWith('.') || join(this.#root, path) === this.#skip) this.ignored++;
      else if (entry.isDirectory()) folders.push(path);
      else if (entry.isSymbolicLink() && this.#isFolder(path)) this.#reject(path, 'it is a link to a folder');
      else if (NO_MEDIA.includes(extensionOf(entry.name)) || NO_MEDIA_NAMES.test(entry.name)) this.ignored++;
      else {
        const complaint = fileComplaint(this.#root, path);
        if (complaint !== undefined) this.#reject(path, complaint);
        else if (PICTURES.includes(extensionOf(path))) pictures.push(path);
        else {
          this.items.push({ kind: 'video', path });
          videos++;
        }
      }
    }
    pictures.sort(compareNatural);
    if (await this.#isClip(folder, pictures, videos)) {
      this.items.push({
        kind: 'frames',
        path: folder === '' ? basename(this.#root) : folder,
        files: pictures,
      });
    } else for (const path of pictures) this.items.push({ kind: 'still', path });
    if (depth >= MAX_DEPTH)
      for (const path of folders) this.#reject(path, `it lies more than ${MAX_DEPTH} folders deep`);
    else for (const path of folders) await this.folder(path, depth + 1);
  }

  /** Whether the pictures of a folder are the frames of one clip. */
  async #isClip(folder: string, pictures: readonly string[], videos: number): Promise<boolean> {
    if (this.#layout !== 'auto') return this.#layout === 'frames' && pictures.length > 0;
    if (folder === '' || videos > 0 || pictures.length < 2) return false;
    const [pattern] = pictures.map(withoutNumbers);
    if (!pictures.every((path) => withoutNumbers(path) === pattern)) return false;
    // Sets of separate pictures are numbered too (`benign (12).png`), but come in many sizes; frames of one clip do not.
    let first: string | undefined;
    for (const path of pictures) {
      const size = await this.#sizeOf(path);
      first ??= size;
      if (size !== undefined && size !== first) return false;
    }
    return true;
  }

  /** Size as text; undefined for a picture that cannot be read (it is reported when it is decoded). */
  async #sizeOf(path: string): Promise<string | undefined> {
    try {
      const { width, height } = await openStill(join(this.#root, path));
      return `${width}×${height}`;
    } catch {
      return undefined;
    }
  }

  #list(folder: string): Dirent[] {
    try {
      return readdirSync(join(this.#root, folder), { withFileTypes: true });
    } catch (thrown) {
      if (folder === '') {
        throw new UsclError({
          kind: 'data',
          code: 'SOURCE_UNREADABLE',
          message: `Cannot read ${this.#root}: ${messageOf(thrown)}.`,
          where: this.#root,
          remedy: 'Give a folder that you may read, or change its permissions.',
          cause: thrown,
        });
      }
      this.#reject(folder, messageOf(thrown));
      return [];
    }
  }

  #isFolder(path: string): boolean {
    return statSync(join(this.#root, path), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  #reject(source: string, reason: string): void {
    this.rejected.push({ source, reason });
  }
}

function withoutNumbers(path: string): string {
  return path.toLowerCase().replaceAll(/\d+/g, '#');
}
