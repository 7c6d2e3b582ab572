/**
 * Finds the clips in a folder: videos (animated PNGs are such), still pictures, DICOM files by their content, and folders
 * of frames (USCL's layout: one folder a video, with or without a level of class folders above; or frames of several
 * videos in a folder, told apart by their names). Whatever is no file that may be read is named with its reason, and the
 * rest goes on. Links to folders and links out of the source are not followed, pipes and devices are not opened. A source
 * of a million files fits into a few hundred megabytes.
 */
import { type Dirent, statSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { dataError, type UsclError } from '../../base/errors.ts';
import { kindComplaint } from '../../base/read-bounded.ts';
import { FILES } from '../../dataset/types.ts';
import { HEAD_BYTES, isDicom } from '../../formats/dicom/read.ts';
import { isAnimatedPng } from '../../video/apng.ts';
import { readFrameNames } from './frame-names.ts';
import { compareText } from '../../base/collect.ts';
import {
  accessComplaint,
  compareNatural,
  extensionOf,
  fileComplaint,
  fileNameOf,
  joinRelative,
  readHead,
  spread,
} from '../common/paths.ts';
import type { Rejection, SourceItem } from '../common/ingest-plan.ts';
import { stillSize } from '../pictures/still.ts';

/**
 * How folders of pictures are read. `frames`: every folder is one clip; `stills`: every picture is one clip; `auto`:
 * by the names (`frame-names.ts`), where the pictures of each clip have equal sizes. Pictures in the source folder
 * itself are frames only where their names tell of several clips.
 */
export type PictureLayout = 'auto' | 'frames' | 'stills';

export interface Discovery {
  readonly items: readonly SourceItem[];
  readonly rejected: readonly Rejection[];
  readonly ignored: number;
  /** Paths of DICOMDIR files: indices, whose objects are found by themselves. */
  readonly indices: readonly string[];
  /** Folders whose names tell of several clips; `taken`: as such, otherwise as one clip or as stills. */
  readonly shared: readonly SharedFolder[];
  /** Folders of numbered pictures that were not taken for frames, and why. */
  readonly separate: readonly { readonly folder: string; readonly reason: string }[];
}

export interface SharedFolder {
  readonly folder: string;
  readonly clips: readonly string[];
  readonly taken: boolean;
}

export interface DiscoverOptions {
  readonly layout: PictureLayout;
  /** Absolute path that is not looked into: where the dataset is going to be. */
  readonly skip?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PICTURES: readonly string[] = ['jpg', 'jpeg', 'png', 'tif', 'tiff', 'webp'];
const NO_MEDIA = 'csv tsv txt md json jsonl xml yaml yml html pdf'.split(' ');
const NO_MEDIA_NAMES = /^(readme|licen[cs]e|copying|changelog|authors|citation|thumbs\.db|desktop\.ini)/i;

/** What systems keep beside pictures: thumbnails, what was deleted, and what an archive of a Mac adds. */
const KEPT_BY_SYSTEMS =
  /^(@eadir|\.?@__thumb|@recycle|@tmp|#recycle|#snapshot|\$recycle\.bin|system volume information|lost\+found|__macosx|synophoto_thumb_.*|thumbs\.db|ehthumbs\.db)$/i;
const MAX_DEPTH = 32;

/** Entries read from a folder at a time; the list of a folder of a million files is never held as such. */
const ENTRIES_AT_ONCE = 1024;

/**
 * Pictures of a folder whose sizes are compared to tell frames of one clip from a collection. Reading all would open
 * every file of a large source twice; frames that differ after all are told when they are decoded.
 */
const SIZES_COMPARED = 16;

/** Walks `root` (a real path; a folder or a single file). Paths come out sorted. */
export async function discover(root: string, options: DiscoverOptions): Promise<Discovery> {
  if (statSync(root).isFile()) {
    const walk = new Walk(dirname(root), options);
    const path = basename(root);
    if (isStill(root)) walk.items.push({ kind: 'still', path });
    else walk.file(path);
    return walk.result();
  }
  const walk = new Walk(root, options);
  await walk.folder('', 0);
  return walk.result();
}

/** What is found so far. */
class Walk {
  readonly items: SourceItem[] = [];
  readonly #rejected: Rejection[] = [];
  readonly #indices: string[] = [];
  readonly #shared: SharedFolder[] = [];
  readonly #separate: { folder: string; reason: string }[] = [];
  #ignored = 0;
  readonly #root: string;
  readonly #options: DiscoverOptions;
  readonly #head = new Uint8Array(HEAD_BYTES);

  constructor(root: string, options: DiscoverOptions) {
    this.#root = root;
    this.#options = options;
  }

  result(): Discovery {
    return {
      items: this.items.sort((a, b) => compareText(a.path, b.path)),
      rejected: this.#rejected.sort((a, b) => compareText(a.source, b.source)),
      indices: this.#indices.sort(compareText),
      ...{ ignored: this.#ignored, shared: this.#shared, separate: this.#separate },
    };
  }

  async folder(folder: string, depth: number): Promise<void> {
    const listed = await this.#list(folder);
    if (listed === undefined) return;
    const { pictures, folders, others } = listed;
    for (const [index, path] of others.entries()) {
      if (index % ENTRIES_AT_ONCE === 0) await this.#pause();
      this.file(path);
    }
    pictures.sort(compareNatural);
    const clips = await this.#clipsOf(folder, pictures, listed);
    this.items.push(...(clips ?? pictures.map((path): SourceItem => ({ kind: 'still', path }))));
    for (const path of folders.sort(compareText)) {
      if (depth < MAX_DEPTH) await this.folder(path, depth + 1);
      else this.#reject(path, `it lies more than ${MAX_DEPTH} folders deep`);
    }
  }

  /** A file that is no still: DICOM by its content, otherwise something to try as a video. */
  file(path: string): void {
    const head = readHead(this.#root, path, this.#head);
    if (typeof head === 'string') this.#reject(path, head);
    else if (!isDicom(head)) this.items.push({ kind: 'video', path });
    else if (/^dicomdir/i.test(basename(path))) this.#indices.push(path);
    else this.items.push({ kind: 'dicom', path });
  }

  /** What is worth a look in a folder, or undefined for none. */
  async #list(folder: string): Promise<Listed | undefined> {
    const listed: Listed = { pictures: [], folders: [], others: [] };
    const before = this.#ignored;
    const rejectedBefore = this.#rejected.length;
    let entries = 0;
    let storeFiles = 0;
    try {
      const options = { bufferSize: ENTRIES_AT_ONCE };
      for await (const entry of await opendir(join(this.#root, folder), options)) {
        entries++;
        if (entries % ENTRIES_AT_ONCE === 0) this.#options.signal?.throwIfAborted();
        if (entry.name === FILES.frames || entry.name === FILES.manifest) storeFiles++;
        this.#sort(entry, joinRelative(folder, entry.name), listed);
      }
    } catch (thrown) {
      this.#options.signal?.throwIfAborted();
      const reason = accessComplaint(thrown, folder);
      if (folder === '') throw unreadable(this.#root, reason, thrown);
      this.#reject(folder, reason);
    }
    // The store of a dataset is not a source, wherever it lies.
    if (storeFiles < 2) return listed;
    this.#ignored = before + entries;
    this.#rejected.length = rejectedBefore;
    return undefined;
  }

  #sort(entry: Dirent, path: string, listed: Listed): void {
    const { name } = entry;
    if (name.startsWith('.') || KEPT_BY_SYSTEMS.test(name) || join(this.#root, path) === this.#options.skip)
      this.#ignored++;
    else if (entry.isDirectory()) listed.folders.push(path);
    else if (entry.isSymbolicLink() && this.#isFolder(path)) this.#reject(path, 'it is a link to a folder');
    else if (NO_MEDIA.includes(extensionOf(name)) || NO_MEDIA_NAMES.test(name)) this.#ignored++;
    else {
      // Folders on the way here are no links, so only a link can lead elsewhere; U+FFFD stands for what is not UTF-8.
      const complaint =
        entry.isSymbolicLink() || name.includes('\uFFFD')
          ? fileComplaint(this.#root, path)
          : kindComplaint(entry);
      if (complaint !== undefined) this.#reject(path, complaint);
      else if (isStill(join(this.#root, path))) listed.pictures.push(path);
      else listed.others.push(path);
    }
  }

  /** The clips whose frames the pictures of a folder are, or null where each is a clip of its own. */
  async #clipsOf(
    folder: string,
    pictures: readonly string[],
    { folders, others }: Listed,
  ): Promise<readonly SourceItem[] | null> {
    const { layout } = this.#options;
    if (layout === 'stills' || pictures.length === 0) return null;
    const whole: SourceItem = { kind: 'frames', path: this.#clipName(folder, folders), files: pictures };
    const inFolder = (name: string): string => joinRelative(folder, name);
    const reading = readFrameNames(pictures.map(fileNameOf));
    const sequences = reading.kind === 'sequences' ? reading.sequences : [];
    const shared = { folder, clips: sequences.map(({ name }) => name) };
    if (layout === 'frames') {
      if (sequences.length > 1) this.#shared.push({ ...shared, taken: false });
      return [whole];
    }
    if (others.length > 0) return null;
    if (reading.kind === 'separate') {
      const { reason } = reading;
      if (reason !== null && folder !== '') this.#separate.push({ folder, reason });
      return null;
    }
    const isOne = sequences.length === 1;
    if (isOne && folder === '') return null;
    // Sets of separate pictures are numbered too (`benign (12).png`), but come in many sizes; frames of one clip do not.
    for (const { files } of sequences) {
      if (await this.#haveOneSize(files.map(inFolder), Math.ceil(SIZES_COMPARED / sequences.length)))
        continue;
      if (!isOne) this.#shared.push({ ...shared, taken: false });
      return null;
    }
    if (isOne) return [whole];
    this.#shared.push({ ...shared, taken: true });
    const isTaken = (path: string): boolean => folders.includes(path);
    return sequences.map(({ name, files }) => {
      const path = inFolder(name);
      return { kind: 'frames', path: isTaken(path) ? `${path}#` : path, files: files.map(inFolder) };
    });
  }

  /** Whether the pictures have one size; looks at about `count`, first and last among them. */
  async #haveOneSize(pictures: readonly string[], count: number): Promise<boolean> {
    const compared = spread(pictures.length, Math.max(2, count)).map((i) => pictures[i]!);
    const sizes = await Promise.all(compared.map((path) => stillSize(join(this.#root, path))));
    this.#options.signal?.throwIfAborted();
    // A picture that cannot be read is reported when it is decoded.
    const known = sizes.filter((size) => size !== undefined);
    return known.every(({ width, height }) => width === known[0]!.width && height === known[0]!.height);
  }

  /** Pictures in the source folder itself are a clip of its name, unless a folder in it has that name. */
  #clipName(folder: string, folders: readonly string[]): string {
    if (folder !== '') return folder;
    const name = basename(this.#root);
    return folders.some((path) => path === name) ? '.' : name;
  }

  #isFolder(path: string): boolean {
    try {
      return statSync(join(this.#root, path)).isDirectory();
    } catch {
      // Whatever is wrong with the link is said when it is looked at as a file.
      return false;
    }
  }

  /** Lets signals arrive between files that are read one by one. */
  async #pause(): Promise<void> {
    await setImmediate();
    this.#options.signal?.throwIfAborted();
  }

  #reject(source: string, reason: string): void {
    this.#rejected.push({ source, reason });
  }
}

interface Listed {
  readonly pictures: string[];
  readonly folders: string[];
  /** Files that are neither stills nor known to be something else. */
  readonly others: string[];
}

/** A picture by its name; of PNGs, which may be clips, by what is in them too. */
function isStill(path: string): boolean {
  const extension = extensionOf(path);
  return PICTURES.includes(extension) && !(extension === 'png' && isAnimatedPng(path));
}

function unreadable(root: string, reason: string, cause: unknown): UsclError {
  const remedy = 'Give a folder that you may read, or change its permissions.';
  return dataError('SOURCE_UNREADABLE', `Cannot read ${root}: ${reason}.`, remedy, { where: root, cause });
}
