/** What an ingest reports when it is done, for the screen and for programs; none of it is written to the dataset. */
import type { ClipRecord, Field, Manifest } from '../dataset/types.ts';
import type { DropCounts } from './clean.ts';
import type { Warning } from './doubtful-classes.ts';
import type { Rejection } from './plan.ts';

/** Where the ultrasound of one clip was cut out. */
export interface CropReport {
  readonly clip: string;
  /** In original pixels; null: the whole picture was kept. */
  readonly crop: ClipRecord['crop'];
  readonly shape: Field['shape'] | null;
  readonly from: Field['from'] | null;
  readonly confidence: number | null;
}

/** Clips that show the same pictures; `uscl audit` shows them. */
export interface AlikeReport {
  readonly withinGroups: number;
  /** A warning: two groups may be one patient. */
  readonly acrossGroups: number;
  /** Those across groups, up to 1000; `distance` in bits, null for equal files. */
  readonly pairs: readonly { readonly a: string; readonly b: string; readonly distance: number | null }[];
}

export interface IngestSummary {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly clips: number;
  readonly frames: number;
  /** Clips per class, in the order of the manifest's classes. */
  readonly classes: Readonly<Record<string, number>>;
  readonly unlabelled: number;
  /** Null where nothing has a label. */
  readonly labelsFrom: 'table' | 'recipe' | 'folders' | null;
  readonly groups: number;
  readonly dropped: Readonly<DropCounts>;
  /** One entry a clip, in the order of the dataset. */
  readonly crops: readonly CropReport[];
  /** How many clips have each flag. */
  readonly flags: Readonly<Record<string, number>>;
  readonly rejected: readonly Rejection[];
  /** Clips that were taken although parts of their source cannot be decoded. */
  readonly damaged: readonly Rejection[];
  /** Clips of which a person should know how they were read. */
  readonly remarks: readonly Rejection[];
  /** Clips taken over from an earlier ingest because neither source nor settings have changed. */
  readonly reused: number;
  readonly alike: AlikeReport;
  /** Label rows that fit no source. */
  readonly unmatchedLabels: readonly string[];
  /** Recipe of a public set that the source looks like; null where none was recognised, or where one was given. */
  readonly looksLike: string | null;
  /** Rows of a published set's table that have no file, under the reason why. */
  readonly absent: Readonly<Record<string, readonly string[]>>;
  /** Clips that the label table does not name. */
  readonly withoutRow: readonly string[];
  /** Entries of the field file that fit no clip. */
  readonly unusedFields: readonly string[];
  /** Files passed over because their names say they are no media. */
  readonly ignored: number;
  readonly notes: readonly string[];
  /** What may spoil a training or an evaluation, or may name a patient. */
  readonly warnings: readonly Warning[];
  readonly seconds: number;
}
