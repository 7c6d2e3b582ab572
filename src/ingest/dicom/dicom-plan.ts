/**
 * DICOM files to planned clips: which are pictures of ultrasound, which belong to one patient, and under what names
 * they go. What it returns is of two kinds, and whoever uses it has to keep them apart:
 *
 * - **May be written** (dataset, journal of a resumable ingest, contact sheet, report): `id`, `group` and `flags` of a
 *   clip; `writtenSource` and `writtenReason` of a refused file; counts.
 * - **For the screen only**, never in a file, whatever its name and however short it lives: `path`, `source` and
 *   `reason` of a refused file, messages of errors, notes of damage. Paths of exports hold names, birth dates and
 *   accession numbers; messages may quote an attribute. The same holds for every other path of a source in which a
 *   DICOM file was found (a video or a report beside it has names of the same kind), for the source folder's own name,
 *   and for digests of any of these, of whole files or of their times: whoever has a list of names can try them all.
 *   A journal knows a clip by its `id` and a source's content by `ClipSource.sha256`.
 *
 * Clips come in the order of their ids, and groups without a key are numbered in that order. In the order of paths,
 * where a patient stands would tell where the name stands in the alphabet.
 */
import { join } from 'node:path';
import { compareText, groupBy, told } from '../../base/collect.ts';
import { dataError, messageOf, systemCode, UsclError } from '../../base/errors.ts';
import { opaque } from '../common/paths.ts';
import type { Rejection } from '../common/ingest-plan.ts';
import { type DicomHeader, digestOfPixels, readHeader } from './header.ts';
import { pseudonym, type PseudonymKey } from './identity.ts';

/** A DICOM file that is not, with what may be written in place of its path and reason. */
type DicomRejection = Required<Rejection>;

export type DicomPlan = Awaited<ReturnType<typeof planDicom>>;

export interface DicomPlanOptions {
  /** Null: names cannot be connected between datasets, and groups are only numbered. */
  readonly key: PseudonymKey | null;
  /**
   * The group that a person gave the file at a path, or null. It goes before the patient ID, and is written as a
   * pseudonym or a number like that: tables of patients hold names.
   */
  readonly groupOf?: ((path: string) => string | null) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What stands for a refused file that has no id. */
const NAMELESS = 'dicom-file';

/** Reads the headers of the files at `paths` below `root`. Never fails because of a file. */
export async function planDicom(
  root: string,
  paths: readonly string[],
  { key, groupOf, signal }: DicomPlanOptions,
) {
  const found: Found[] = [];
  const rejected: DicomRejection[] = [];
  for (const path of paths) {
    signal?.throwIfAborted();
    try {
      const header = await readHeader(join(root, path), signal);
      found.push({ path, header, id: idOf(header, key) });
    } catch (thrown) {
      rejected.push(rejectionOf(path, thrown));
    }
  }
  const { single, copies } = await withoutCopies(root, found, { key, signal });
  rejected.push(...copies);
  const clips = single.sort((a, b) => compareText(a.id, b.id));
  const ungrouped = clips.filter(({ path }) => (groupOf?.(path) ?? null) === null);
  const nameGroup = groupNames(key);
  return {
    /** In the order of their ids. Paths are for opening and for the screen, and never written. */
    clips: clips.map(({ path, header, id }) => ({
      path,
      /** `dicom-` and 16 hex digits: the clip's id and its written source. */
      id,
      /** 16 hex digits under a key, otherwise `patient-1`, `patient-2`, … with numbers of this plan. */
      group: nameGroup({ group: groupOf?.(path) ?? null, ...header, clip: id }),
      flags: ['dicom'],
    })),
    /** In the order of their paths. */
    rejected: rejected.sort((a, b) => compareText(a.source, b.source)),
    /** Decisions a person should know of; may be written. */
    notes: notesOn(clips, ungrouped, key),
    /** How a group that a person gave to something else in the same source is written. */
    nameGroup: (given: string) => nameGroup({ group: given, patient: null, study: null, clip: given }),
  };
}

/** What may be written of a DICOM file that was refused because of `thrown`: a stable code, no value, no path. */
export function writtenReason(thrown: unknown): string {
  const code =
    thrown instanceof UsclError && /^[A-Z][A-Z0-9_]{1,40}$/.test(thrown.code)
      ? thrown.code
      : 'DICOM_UNREADABLE';
  return `it was not taken (${code})`;
}

interface Found {
  readonly path: string;
  readonly header: DicomHeader;
  readonly id: string;
}

function rejectionOf(path: string, thrown: unknown, id = NAMELESS): DicomRejection {
  const isForeseen = thrown instanceof UsclError ? thrown.kind === 'data' : systemCode(thrown) !== undefined;
  if (!isForeseen) throw thrown;
  const written = { writtenSource: id, writtenReason: writtenReason(thrown) };
  return { source: path, reason: messageOf(thrown), ...written };
}

/**
 * Under a key from the object's own identifier; otherwise from what the file says of the making of the picture, which
 * nobody can guess who does not have it, and which holds no name to try.
 */
function idOf({ instance, digest }: DicomHeader, key: PseudonymKey | null): string {
  return nameOf(key, instance === null || key === null ? digest : instance);
}

function nameOf(key: PseudonymKey | null, value: string): string {
  return `dicom-${key === null ? opaque(value) : pseudonym(key, 'clip', value)}`;
}

/**
 * Files under one id: one object with the same pixels is one clip, however often it was exported; different pixels that
 * say they are the same object (an export that was edited) are told apart by them.
 */
async function withoutCopies(
  root: string,
  found: readonly Found[],
  { key, signal }: DicomPlanOptions,
): Promise<{ single: Found[]; copies: DicomRejection[] }> {
  const single: Found[] = [];
  const copies: DicomRejection[] = [];
  for (const [id, sharing] of groupBy(found, (one) => one.id)) {
    const originals = new Map<string, Found>();
    for (const one of sharing.sort((a, b) => compareText(a.path, b.path))) {
      try {
        signal?.throwIfAborted();
        const digest = sharing.length === 1 ? '' : await digestOfPixels(join(root, one.path));
        const original = originals.get(digest);
        if (original !== undefined)
          throw dataError(
            'DICOM_COPY',
            `it is a copy of ${original.path}`,
            'Nothing is lost; the other file is taken.',
          );
        originals.set(digest, one);
      } catch (thrown) {
        copies.push(rejectionOf(one.path, thrown, id));
      }
    }
    for (const [digest, one] of originals)
      single.push(originals.size === 1 ? one : { ...one, id: nameOf(key, `${id} ${digest}`) });
  }
  return { single, copies };
}

/** What is known of whose a clip is; the first that is not null decides. */
interface Belonging {
  readonly group: string | null;
  readonly patient: string | null;
  readonly study: string | null;
  readonly clip: string;
}

/** Names what a clip belongs to; without a key, by numbers in the order of the calls. */
function groupNames(key: PseudonymKey | null): (known: Belonging) => string {
  const numbers = new Map<string, number>();
  return (known) => {
    const purpose = (['group', 'patient', 'study'] as const).find((name) => known[name] !== null) ?? 'clip';
    const value = known[purpose] ?? known.clip;
    if (key !== null) return pseudonym(key, purpose, value);
    const place = `${purpose} ${value}`;
    const number = numbers.get(place) ?? numbers.size + 1;
    numbers.set(place, number);
    return `patient-${number}`;
  };
}

/** Where groups can be given that the files do not tell. */
const WAY_OUT = 'give groups in the column group of the labels file';

/** Notes on clips whose group nobody gave, and on all of them. */
function notesOn(clips: readonly Found[], ungrouped: readonly Found[], key: PseudonymKey | null): string[] {
  if (clips.length === 0) return [];
  const nameless = ungrouped.filter(({ header }) => header.patient === null);
  const known = clips.filter(({ header }) => header.study !== null && header.patient !== null);
  const shared = [...groupBy(known, ({ header }) => header.study).values()].filter(
    (own) => new Set(own.map(({ header }) => header.patient)).size > 1,
  ).length;
  const doubled = ungrouped.filter(({ header }) => header.hasOtherPatient).length;
  return told([
    key === null &&
      'Patients of DICOM clips are numbered in this dataset only; a key file gives names that hold in others.',
    nameless.length > 0 &&
      `${nameless.length} DICOM clips name no patient; their groups are studies, or single clips. If patients are known, ${WAY_OUT}.`,
    ...placeholderNotes(ungrouped),
    shared > 0 && `${shared} DICOM studies hold more than one patient ID: one patient may be in two groups.`,
    doubled > 0 &&
      `${doubled} DICOM clips hold two different patient IDs; the first counts. If it is wrong, ${WAY_OUT}.`,
  ]);
}

/** Words that de-identification writes in place of a Patient ID, without what separates and numbers them. */
const PLACEHOLDER =
  /^(anon(ym(ous|ized|ised|e|isiert|izado)?)?|unknown|none|null|nil|na|nan|undefined|unidentified|deidentified|removed|deleted|redacted|hidden|blank|empty|dummy|default|test|patient(id)?|id|name|noid|noname|nopatientid|x+|0+|9+|1?2?3?4?5?)$/;

/** Placeholders that stand for more than one study, and any one ID that all clips of several studies share. */
function placeholderNotes(clips: readonly Found[]): string[] {
  return [...groupBy(clips, ({ header }) => header.patient)].flatMap(([patient, own]) => {
    if (patient === null) return [];
    const studies = studiesOf(own);
    const isPlaceholder = PLACEHOLDER.test(patient.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ''));
    const isOnly = own.length === clips.length && studies > 1;
    const isLarge = studies >= MANY_STUDIES && studies > studiesOf(clips) / 2;
    if (own.length < 2 || !(isOnly || isPlaceholder || isLarge)) return [];
    const all = own.length === clips.length ? `All ${own.length}` : String(own.length);
    return [
      `${all} DICOM clips of ${studies} ${studies === 1 ? 'study' : 'studies'} name one patient and are one group. If that patient ID stands for several people, ${WAY_OUT}.`,
    ];
  });
}

/** Studies of one patient that are more than most patients have. */
const MANY_STUDIES = 10;

function studiesOf(clips: readonly Found[]): number {
  return new Set(clips.map(({ header }) => header.study)).size;
}
