/** The error of an ingest that ends without a clip: it holds every file that was refused and why, for a person to see. */
import { UsclError } from '../base/errors.ts';
import type { IngestPlan, Rejection } from './common/plan.ts';

/** `SOURCE_EMPTY` where there was nothing to decode, `DATASET_EMPTY` where all that was decoded was refused. */
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
