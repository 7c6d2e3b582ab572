/** What an ingest reports when it is done, for the screen and for programs; none of it is written to the dataset. */
import { compareText, groupBy } from '../base/collect.ts';
import { UsclError } from '../base/errors.ts';
import { countsOf, identifying } from '../dataset/identifying.ts';
import { DUPLICATE_DISTANCE, type ComparedClip, findDuplicates } from '../curation/duplicates.ts';
import type { ClipRecord, Field, Manifest } from '../dataset/types.ts';
import type { DropCounts } from './clean.ts';
import type { IngestPlan, Rejection, Warning } from './common/ingest-plan.ts';
import { UNLIKE_FRAMES } from './frame-continuity.ts';

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

/** What became of the sources of an ingest. */
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

/** Pairs named one by one; of more, `uscl audit` tells. */
const MAX_NAMED = 1000;

/** Counts what an ingest takes and refuses. */
export class Tally {
  readonly rejected: Rejection[];
  readonly damaged: Rejection[] = [];
  readonly remarks: Rejection[] = [];
  reused = 0;
  readonly #classes: readonly string[];
  readonly #crops: CropReport[] = [];
  readonly #dropped: DropCounts = { black: 0, blank: 0, duplicate: 0 };
  readonly #taken: (ComparedClip & Pick<ClipRecord, 'id' | 'group' | 'label' | 'flags'>)[] = [];

  constructor(plan: Pick<IngestPlan, 'classes' | 'rejected'>) {
    this.#classes = plan.classes;
    this.rejected = [...plan.rejected];
  }

  take(record: ClipRecord): void {
    const { id, label, group, dropped, flags, crop, field, sourceSha256, hashes } = record;
    this.#taken.push({ id, group, label, flags, sourceSha256, hashes });
    const { shape = null, from = null, confidence = null } = field ?? {};
    this.#crops.push({ clip: id, crop, shape, from, confidence });
    this.#count(dropped);
  }

  remark(source: string, remarks: readonly string[]): void {
    for (const reason of remarks) this.remarks.push({ source, reason });
  }

  reject(rejection: Rejection, dropped?: Readonly<DropCounts>): void {
    this.rejected.push(rejection);
    // Frames of a clip that was not taken are not duplicates of anything.
    if (dropped !== undefined) this.#count({ ...dropped, duplicate: 0 });
  }

  /** Whether no clip was taken. */
  get isEmpty(): boolean {
    return this.#taken.length === 0;
  }

  /** What is told of the clips in the end. */
  summary() {
    const labels = groupBy(this.#taken, ({ label }) => label);
    const flags = groupBy(
      this.#taken.flatMap((clip) => clip.flags),
      (flag) => flag,
    );
    return {
      classes: Object.fromEntries(this.#classes.map((label) => [label, labels.get(label)?.length ?? 0])),
      unlabelled: labels.get(null)?.length ?? 0,
      groups: new Set(this.#taken.map(({ group }) => group)).size,
      dropped: this.#dropped,
      crops: this.#crops,
      flags: Object.fromEntries(
        [...flags.keys()].sort(compareText).map((flag) => [flag, flags.get(flag)!.length]),
      ),
      rejected: this.rejected,
      damaged: this.damaged,
      remarks: this.remarks,
      reused: this.reused,
      alike: this.#alike(),
    } satisfies Partial<IngestSummary>;
  }

  /** What clips give reason to warn of, by their pixels and by their names. */
  warnings(): readonly Warning[] {
    return [...this.#unlikeFrames(), ...this.#identifyingNames()];
  }

  #unlikeFrames(): readonly Warning[] {
    const about = this.#taken.filter(({ flags }) => flags.includes(UNLIKE_FRAMES)).map(({ id }) => id);
    if (about.length === 0) return [];
    const message = `The neighbouring frames of ${about.length === 1 ? '1 clip' : `${about.length} clips`} from picture folders do not look alike (${about.slice(0, 3).join(', ')}): they may be separate pictures of several patients, which pairs of frames would mix. If so, ingest again with --pictures stills.`;
    return [{ code: 'unlike-frames', message, about }];
  }

  #identifyingNames(): readonly Warning[] {
    const names = [...this.#taken.flatMap(({ id, group }) => [id, group]), ...this.#classes];
    const found = identifying(names);
    if (found.length === 0) return [];
    const about = [...new Set(found.flatMap(({ examples }) => examples))];
    const message = `Names of clips, groups or classes may identify patients: ${countsOf(found)} (${about.join(', ')}). They go into the dataset, runs and reports: --key-file FILE writes pseudonyms in place of names of files, folders and groups.`;
    return [{ code: 'ids-may-identify', message, about }];
  }

  /** Clips that show the same: within a group they are one scan twice, across two it may be one patient twice. */
  #alike(): AlikeReport {
    const pairs: { a: string; b: string; distance: number | null }[] = [];
    let [within, across] = [0, 0];
    findDuplicates(this.#taken, null, DUPLICATE_DISTANCE, ({ a, b, distance }) => {
      const [one, other] = [this.#taken[a]!, this.#taken[b]!];
      if (one.group === other.group) within++;
      else {
        across++;
        if (pairs.length < MAX_NAMED) pairs.push({ a: one.id, b: other.id, distance });
      }
    });
    return { withinGroups: within, acrossGroups: across, pairs };
  }

  #count({ black, blank, duplicate }: Readonly<DropCounts>): void {
    this.#dropped.black += black;
    this.#dropped.blank += blank;
    this.#dropped.duplicate += duplicate;
  }
}

/**
 * The error of an ingest that ends without a clip: it holds every file that was refused and why, for a person to see.
 * `SOURCE_EMPTY` where there was nothing to decode, `DATASET_EMPTY` where all that was decoded was refused.
 */
export class NothingTaken extends UsclError {
  /** For the screen and for `--json`, never for a file: paths may name patients. */
  readonly rejected: readonly Rejection[];
  readonly notes: readonly string[];

  constructor(
    source: string,
    rejected: readonly Rejection[],
    { clips, ignored, notes }: Pick<IngestPlan, 'clips' | 'ignored' | 'notes'>,
  ) {
    const [first] = rejected;
    const count = rejected.length;
    super({
      kind: 'data',
      code: clips.length === 0 ? 'SOURCE_EMPTY' : 'DATASET_EMPTY',
      message:
        first === undefined
          ? `There are no clips in ${source} (${ignored} files were passed over).`
          : `There are no clips in ${source} that can be taken: ${count} ${count === 1 ? 'file was' : 'files were'} refused (${first.source}: ${first.reason}${count === 1 ? '' : '; …'}). Nothing was written.`,
      where: source,
      facts: { clips: 0, frames: 0, rejected, ignored, notes },
      remedy:
        first === undefined
          ? 'Give a folder of DICOM files, videos (mp4, mov, avi, mpeg, gif, …), pictures (png, jpg, tif, webp) or folders of frames.'
          : 'Mend what the reasons name (each refused file is listed with its own), or give another source.',
    });
    this.name = 'NothingTaken';
    this.rejected = rejected;
    this.notes = notes;
  }
}
