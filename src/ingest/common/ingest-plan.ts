/**
 * What an ingest is going to do: which source becomes which clip, with which label and group. Made by looking at
 * names and tables only; nothing is decoded yet.
 */

/** A clip to be, by relative paths in the source folder. `path` is the clip's id. */
export type SourceItem =
  | { readonly kind: 'video' | 'still' | 'dicom'; readonly path: string }
  /** A folder of the frames of one clip, in order. */
  | { readonly kind: 'frames'; readonly path: string; readonly files: readonly string[] };

/** What the values of a mask picture mean. */
export interface MaskReading {
  /** Palette index, grey level or colour of structure 1, 2, …; everything else is outside. */
  readonly codes: readonly number[];
  /** Whether the mask is a line, and what is inside of it is meant. */
  readonly isOutline: boolean;
}

export interface PlannedClip {
  readonly item: SourceItem;
  /**
   * What the dataset calls the clip and its source in place of the path, where paths may name patients. `content`: by
   * what is in the file. `as`: another name where the path names nobody but tells too much, such as the class.
   */
  readonly name?: string | { readonly by: 'content' } | { readonly as: string };
  readonly label: string | null;
  readonly group: string;
  readonly flags: readonly string[];
  /** Segmentation masks of a still, united: pictures of its size, by relative path. */
  readonly masks?: readonly string[];
  /** Without it, brighter than half is inside. */
  readonly maskReading?: MaskReading;
}

/** A source that does not become a clip, and why. */
export interface Rejection {
  /** For the screen. */
  readonly source: string;
  readonly reason: string;
  /** What is written in their place where they may name patients. */
  readonly writtenSource?: string;
  readonly writtenReason?: string;
}

/** What a person should know of; nothing is decided by it. `about` names the clips, classes or sources. */
export interface Warning {
  readonly code: string;
  readonly message: string;
  readonly about: readonly string[];
}

export interface IngestPlan {
  readonly name: string;
  readonly licence: string | null;
  readonly citation: string | null;
  readonly homepage: string | null;
  readonly classes: readonly string[];
  readonly clips: readonly PlannedClip[];
  /** Names of the structures in the masks, where there is more than one. */
  readonly structures?: readonly string[];
  readonly rejected: readonly Rejection[];
  /** Rows of the label table that match no source. */
  readonly unmatchedLabels: readonly string[];
  /** Sources that the label table does not name; they become unlabelled clips. */
  readonly withoutRow: readonly string[];
  /** Recipe of a public set that the folder looks like, where none was given. */
  readonly looksLike?: string | undefined;
  /** Rows of a set's own table that have no file, under the reason why. */
  readonly absent?: Readonly<Record<string, readonly string[]>>;
  /** Files that are no media by their name (tables, texts, hidden files). */
  readonly ignored: number;
  /** Decisions a person should know of, one sentence each. */
  readonly notes: readonly string[];
  /** What may spoil a training or an evaluation. Default: none. */
  readonly warnings?: readonly Warning[];
  /** Whether labels are the names of class folders. Default: no. */
  readonly fromFolders?: boolean;
}
