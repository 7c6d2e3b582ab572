/** Which DICOM files become clips, under what names, in which groups; and the keys and files behind that. */
import { execFileSync } from 'node:child_process';
import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { roundedRate, sampledFrames } from '../../src/ingest/dicom/clip.ts';
import { contentDigest, pseudonym, readKeyFile } from '../../src/ingest/dicom/identity.ts';
import type { DicomPlan } from '../../src/ingest/dicom/dicom-plan.ts';
import { planDicom, writtenReason } from '../../src/ingest/dicom/dicom-plan.ts';
import { PrivateFile } from '../../src/ingest/dicom/private-file.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import type { UltrasoundFile, WriterElement } from '../dicom-writer.ts';
import { element, encodeAs, TAG, writeUltrasound } from '../dicom-writer.ts';
import { failure } from './media.ts';

const scratch = scratchFolder();
let count = 0;

const key = Uint8Array.from({ length: 32 }, (_, i) => (i * 73 + 11) % 256);
const otherKey = Uint8Array.from({ length: 32 }, (_, i) => (i * 31 + 5) % 256);

interface Spec extends Partial<UltrasoundFile> {
  readonly study?: string;
  readonly more?: readonly WriterElement[];
}

function file({ study, more = [], ...spec }: Spec = {}): Uint8Array {
  return writeUltrasound({
    ...{ rows: 20, columns: 24, frames: [new Uint8Array(480).fill(80)] },
    ...spec,
    elements: [...(study === undefined ? [] : [element(TAG.StudyInstanceUID, 'UI', study)]), ...more],
  });
}

async function planned(
  files: Readonly<Record<string, Uint8Array>>,
  options: Partial<Parameters<typeof planDicom>[2]> = {},
): Promise<DicomPlan & { readonly group: (path: string) => string; readonly id: (path: string) => string }> {
  const root = join(scratch, String(++count));
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  const plan = await planDicom(root, Object.keys(files), { key: null, ...options });
  const clip = (path: string) => {
    const found = plan.clips.find((one) => one.path === path);
    if (found === undefined) throw new Error(`${path} is no clip`);
    return found;
  };
  return { ...plan, group: (path) => clip(path).group, id: (path) => clip(path).id };
}

describe('groups', () => {
  test('are patients, whatever the study, the issuer and the padding', async () => {
    const plan = await planned({
      a: file({ patient: '4711', study: '2.25.1', uid: '2.25.10' }),
      b: file({ patient: ' 4711 ', study: '2.25.2', uid: '2.25.11' }),
      c: file({
        patient: '4711',
        study: '2.25.2',
        uid: '2.25.12',
        more: [element(TAG.IssuerOfPatientID, 'LO', 'ARCHIVE')],
      }),
      d: file({ patient: '4712', study: '2.25.3', uid: '2.25.13' }),
    });
    expect(plan.group('b')).toBe(plan.group('a'));
    expect(plan.group('c')).toBe(plan.group('a'));
    expect(plan.group('d')).not.toBe(plan.group('a'));
    expect(new Set(plan.clips.map(({ group }) => group))).toEqual(new Set(['patient-1', 'patient-2']));
  });

  test('are studies where no patient is named, and the clip where no study is', async () => {
    const plan = await planned({
      a: file({ patient: '', study: '2.25.1', uid: '2.25.10' }),
      b: file({ patient: '--', study: '2.25.1', uid: '2.25.11' }),
      c: file({ patient: '', study: ' ', uid: '2.25.12' }),
      d: file({ patient: '', study: ' ', uid: '2.25.13' }),
    });
    expect(plan.group('a')).toBe(plan.group('b'));
    expect(new Set(plan.clips.map(({ group }) => group)).size).toBe(3);
    expect(plan.notes.join(' ')).toContain('4 DICOM clips name no patient');
  });

  test('under a key are the same in every plan, and other ones under another key', async () => {
    const bytes = file({ patient: '4711', uid: '2.25.10' });
    const [one, again, other] = [
      await planned({ x: bytes }, { key }),
      await planned({ 'elsewhere/y': file({ patient: '4711', uid: '2.25.99' }) }, { key }),
      await planned({ x: bytes }, { key: otherKey }),
    ];
    expect(one.group('x')).toMatch(/^[0-9a-f]{16}$/);
    expect(again.group('elsewhere/y')).toBe(one.group('x'));
    expect(again.id('elsewhere/y')).not.toBe(one.id('x'));
    expect(other.group('x')).not.toBe(one.group('x'));
    expect(other.id('x')).not.toBe(one.id('x'));
  });

  test('given by a person go first, and are written as names of no one', async () => {
    const files = {
      a: file({ patient: '1', uid: '2.25.10' }),
      b: file({ patient: '2', uid: '2.25.11' }),
      c: file({ patient: '3', uid: '2.25.12' }),
    };
    const groupOf = (path: string): string | null => (path === 'c' ? null : 'Jane Doe');
    for (const options of [{ groupOf }, { groupOf, key }]) {
      const plan = await planned(files, options);
      expect(plan.group('a')).toBe(plan.group('b'));
      expect(plan.group('c')).not.toBe(plan.group('a'));
      expect(plan.nameGroup('Jane Doe')).toBe(plan.group('a'));
      expect(JSON.stringify(plan.clips)).not.toContain('Jane');
    }
  });

  test('are numbered in an order that says nothing of names: the one of ids', async () => {
    const names = ['Abel', 'Beth', 'Cain', 'Dina', 'Esau', 'Ruth', 'Seth', 'Zoe'];
    const plan = await planned(
      Object.fromEntries(
        names.map((name, i) => [`${name}/1`, file({ patient: name, uid: `2.25.${100 - 7 * i}` })]),
      ),
    );
    expect(plan.clips.map(({ id }) => id)).toEqual(plan.clips.map(({ id }) => id).sort());
    expect(plan.clips.map(({ group }) => group)).toEqual(names.map((_, i) => `patient-${i + 1}`));
    expect(plan.clips.map(({ path }) => path)).not.toEqual(names.map((name) => `${name}/1`));
  });

  test('that one patient ID makes of several studies are told, with the way out', async () => {
    const six = (patient: (i: number) => string, study: (i: number) => string): Record<string, Uint8Array> =>
      Object.fromEntries(
        [0, 1, 2, 3, 4, 5].map((i) => [
          `c${i}`,
          file({ patient: patient(i), study: study(i), uid: `2.25.${10 + i}` }),
        ]),
      );
    const own = (i: number): string => `2.25.${100 + i}`;
    const one = (): string => '2.25.7';
    const notes = async (...args: Parameters<typeof six>): Promise<string> =>
      (await planned(six(...args))).notes.join(' ');
    for (const word of ['ANONYMOUS', 'Anonymous^', '0', '4711']) {
      const said = await notes(() => word, own);
      expect(said).toContain('All 6 DICOM clips of 6 studies name one patient');
      expect(said).toContain('column group of the labels file');
      expect(said).not.toContain(word === '0' ? '"0"' : word);
    }
    // A placeholder beside real numbers, and one whose study is one too.
    const some = await notes((i) => (i < 3 ? 'UNKNOWN' : `p${i}`), own);
    expect(some).toContain('3 DICOM clips of 3 studies name one patient');
    expect(await notes(() => '000000', one)).toContain('All 6 DICOM clips of 1 study name one patient');
    // Patients of one study, or of two, are what archives hold.
    expect(await notes((i) => `p${i % 3}`, own)).not.toContain('name one patient');
    expect(await notes(() => '4711', one)).not.toContain('name one patient');
    // Who gave groups needs no advice.
    const given = await planned(
      six(() => 'ANONYMOUS', own),
      { groupOf: (path) => `g${path}` },
    );
    expect(given.notes.join(' ')).not.toContain('name one patient');
  });

  test('of a file with two patient IDs are of the first, and that is told', async () => {
    const [head, rest] = [
      file({ patient: '4711', uid: '2.25.10' }),
      file({ patient: '4711', uid: '2.25.11' }),
    ];
    const other = encodeAs([element(TAG.PatientID, 'LO', '99')]);
    const study = Buffer.from(head).indexOf(encodeAs([element(TAG.StudyInstanceUID, 'UI', '2.25.4')]));
    const doubled = Buffer.concat([head.subarray(0, study), other, head.subarray(study)]);
    const plan = await planned({ a: doubled, b: rest });
    expect(plan.group('a')).toBe(plan.group('b'));
    expect(plan.notes.join(' ')).toContain('1 DICOM clips hold two different patient IDs; the first counts.');
    const same = encodeAs([element(TAG.PatientID, 'LO', '4711')]);
    const again = await planned({ a: Buffer.concat([head.subarray(0, study), same, head.subarray(study)]) });
    expect(again.notes.join(' ')).not.toContain('two different');
  });

  test('that look like one patient under two numbers are told', async () => {
    const plan = await planned({
      a: file({ patient: '1', study: '2.25.1', uid: '2.25.10' }),
      b: file({ patient: '2', study: '2.25.1', uid: '2.25.11' }),
    });
    expect(plan.notes.join(' ')).toContain('1 DICOM studies hold more than one patient ID');
  });
});

describe('ids', () => {
  test('depend on the object, not on its place', async () => {
    const bytes = file({ uid: '2.25.10' });
    const [one, two] = [await planned({ 'a/b': bytes }), await planned({ c: bytes })];
    expect(one.id('a/b')).toBe(two.id('c'));
    expect(one.id('a/b')).toMatch(/^dicom-[0-9a-f]{16}$/);
  });

  test.each([
    ['a key', key],
    ['no key', null],
  ] as const)(
    'under %s: copies are taken once, other objects under the same identifier each',
    async (_name, withKey) => {
      const bytes = file({ uid: '2.25.10' });
      const changed = file({ uid: '2.25.10', frames: [new Uint8Array(480).fill(81)] });
      const plan = await planned({ 'DOE/a': bytes, 'DOE/b': bytes, 'DOE/c': changed }, { key: withKey });
      expect(plan.clips).toHaveLength(2);
      expect(new Set(plan.clips.map(({ id }) => id)).size).toBe(2);
      expect(plan.rejected).toHaveLength(1);
      const [copy] = plan.rejected;
      expect(copy).toMatchObject({
        source: 'DOE/b',
        reason: 'it is a copy of DOE/a',
        writtenReason: 'it was not taken (DICOM_COPY)',
      });
      expect(copy?.writtenSource).not.toContain('DOE');
    },
  );
});

describe('what is no clip of ultrasound', () => {
  const kind = (uid: string): WriterElement => element(TAG.SOPClassUID, 'UI', uid);
  const storage = '1.2.840.10008.5.1.4.1.1.';

  test.each([
    ['a report', file({ more: [kind(`${storage}88.33`)] }), 'DICOM_NOT_ULTRASOUND'],
    ['a document', file({ more: [kind(`${storage}104.1`)] }), 'DICOM_NOT_ULTRASOUND'],
    ['a CT slice', file({ more: [kind(`${storage}2`)] }), 'DICOM_NOT_ULTRASOUND'],
    ['a volume of ultrasound', file({ more: [kind(`${storage}6.2`)] }), 'DICOM_NOT_ULTRASOUND'],
    ['an index', file({ more: [kind('1.2.840.10008.1.3.10')] }), 'DICOM_NOT_ULTRASOUND'],
    ['private', file({ more: [kind('1.2.3')] }), 'DICOM_NOT_ULTRASOUND'],
    [
      'a capture of another modality',
      file({ more: [kind(`${storage}7`), element(TAG.Modality, 'CS', 'OT')] }),
      'DICOM_NOT_ULTRASOUND',
    ],
    ['cut short in its head', file().subarray(0, 301), 'DICOM_TRUNCATED'],
    ['something else', new TextEncoder().encode('hello '.repeat(99)), 'DICOM_NOT_DICOM'],
    ['empty', new Uint8Array(0), 'DICOM_NOT_DICOM'],
  ])('%s is named on the screen, and only by a code in files', async (_name, bytes, code) => {
    const plan = await planned({ 'DOE^JANE/x': bytes });
    expect(plan.clips).toEqual([]);
    expect(plan.rejected).toHaveLength(1);
    expect(plan.rejected[0]).toMatchObject({
      source: 'DOE^JANE/x',
      writtenSource: 'dicom-file',
      writtenReason: `it was not taken (${code})`,
    });
  });

  test('does not keep out captures of ultrasound and objects of the retired classes', async () => {
    const plan = await planned({
      a: file({ uid: '2.25.1', more: [kind(`${storage}7.2`)] }),
      b: file({ uid: '2.25.2', more: [kind(`${storage}6`)] }),
      c: file({ uid: '2.25.3', more: [kind(`${storage}3`)] }),
    });
    expect(plan.clips).toHaveLength(3);
  });

  test('nor do files with a long head, which is read in pieces, wherever a piece ends', async () => {
    const long = (bytes: number): Uint8Array =>
      file({ uid: `2.25.${bytes}`, more: [element(0x00291001, 'OB', new Uint8Array(bytes).fill(7))] });
    // The value ends at the byte behind the piece that is read first.
    const start = Buffer.from(long(1000)).indexOf(Buffer.alloc(1000, 7));
    const lengths = [0, 2, 4, 8, 12].map((more) => 2 ** 17 - start + more - 4);
    const plan = await planned(
      Object.fromEntries([3_000_000, ...lengths].map((length) => [String(length), long(length)])),
    );
    expect(plan.rejected).toEqual([]);
    expect(plan.clips).toHaveLength(6);
  });

  test('a file that is not there does not end the plan', async () => {
    const root = join(scratch, String(++count));
    mkdirSync(root);
    const plan = await planDicom(root, ['gone'], { key });
    expect(plan.rejected).toMatchObject([
      { source: 'gone', writtenReason: 'it was not taken (DICOM_UNREADABLE)' },
    ]);
    expect(plan.rejected[0]?.writtenReason).not.toContain(root);
  });

  test('an error without a code of ours is written without its words', () => {
    expect(writtenReason(new Error('DOE^JANE'))).toBe('it was not taken (DICOM_UNREADABLE)');
  });
});

describe('keys', () => {
  const put = (bytes: Uint8Array | string): string => {
    const path = join(scratch, `key-${++count}`);
    writeFileSync(path, bytes);
    return path;
  };

  test('of 16 bytes or more are taken as they are', () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i * 9);
    expect(Buffer.from(readKeyFile(put(bytes)))).toEqual(Buffer.from(bytes));
  });

  test.each([
    ['too short', 'correct horse b'],
    ['empty', ''],
    ['zeros', new Uint8Array(64)],
    ['a repeated word', 'abcabcabcabcabcabcabc'],
    ['too long', new Uint8Array(70_000).map((_, i) => i)],
  ])('that are %s are refused, and not repeated in the complaint', (_name, bytes) => {
    const thrown = failure(() => readKeyFile(put(bytes)));
    expect(thrown).toMatchObject({ kind: 'usage', code: 'KEY_FILE' });
    if (bytes.length > 0) expect(thrown.describe()).not.toContain(Buffer.from(bytes).toString());
  });

  test('that are not there or folders are refused', () => {
    expect(failure(() => readKeyFile(join(scratch, 'nothing')))).toMatchObject({ code: 'KEY_FILE' });
    expect(failure(() => readKeyFile(scratch))).toMatchObject({ code: 'KEY_FILE' });
  });

  test('keep purposes apart, and give the published value of HMAC-SHA256', () => {
    expect(pseudonym(key, 'patient', '1')).not.toBe(pseudonym(key, 'study', '1'));
    // RFC 2104, written out.
    const padded = (pad: number): Uint8Array =>
      Uint8Array.from({ length: 64 }, (_, i) => (key[i] ?? 0) ^ pad);
    const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer =>
      parts.reduce<Hash>((hash, part) => hash.update(part), createHash('sha256')).digest();
    const inner = sha256(padded(0x36), 'uscl dicom patient\u00004711');
    const expected = sha256(padded(0x5c), inner).toString('hex');
    expect(pseudonym(key, 'patient', '4711')).toBe(expected.slice(0, 16));
    expect(contentDigest(null, 'ab')).toBe('ab');
    expect(contentDigest(key, 'ab')).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('a private file', () => {
  const place = join(scratch, 'private');
  mkdirSync(place);

  test('can be read by a child, twice from its start, and is gone when let go', () => {
    let path: string;
    {
      using file = new PrivateFile([Buffer.from('pixels '), Buffer.from('of a patient')], place);
      path = file.path;
      for (let i = 0; i < 2; i++) expect(execFileSync('cat', [path]).toString()).toBe('pixels of a patient');
      // On Linux no name leads to it, so nothing could be left behind.
      if (process.platform === 'linux') expect(readdirSync(place)).toEqual([]);
      else expect(statSync(path).mode & 0o077).toBe(0);
    }
    expect(readdirSync(place)).toEqual([]);
    expect(existsSync(path)).toBe(false);
  });

  test('is gone when writing fails half-way', () => {
    const parts = function* (): Generator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('stop');
    };
    const open = readdirSync('/proc/self/fd').length;
    expect(() => new PrivateFile(parts(), place)).toThrow('stop');
    expect(readdirSync(place)).toEqual([]);
    expect(readdirSync('/proc/self/fd').length).toBe(open);
  });

  test('is left behind by no kill', () => {
    const script = `
      import { PrivateFile } from ${JSON.stringify(join(import.meta.dirname, '../../src/ingest/dicom/private-file.ts'))};
      const file = new PrivateFile([Buffer.from('SECRET')], ${JSON.stringify(place)});
      process.kill(process.pid, 'SIGKILL');`;
    const path = join(scratch, 'killed.mts');
    writeFileSync(path, script);
    expect(() => execFileSync('npx', ['tsx', path], { stdio: 'pipe' })).toThrow();
    if (process.platform === 'linux') expect(readdirSync(place)).toEqual([]);
  });

  test('that cannot be written is an error that names the folder', () => {
    expect(failure(() => new PrivateFile([], join(scratch, 'no', 'such')))).toMatchObject({
      code: 'WRITE_FAILED',
    });
  });
});

describe('frames in time', () => {
  test('are the first at or after every step, never twice', () => {
    const even = Array.from({ length: 20 }, (_, i) => i / 10);
    expect(sampledFrames(20, even, 5)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(sampledFrames(20, even, 50)).toHaveLength(20);
    expect(sampledFrames(20, even, 'all')).toHaveLength(20);
    expect(sampledFrames(5, [0, 0.01, 0.02, 1, 1.9], 1)).toEqual([0, 3]);
    expect(sampledFrames(3, null, 1)).toEqual([0, 1, 2]);
  });

  test('have a rate that is no fingerprint', () => {
    expect(roundedRate(51.8858)).toBe(51.9);
    expect(roundedRate(0.01)).toBe(0.1);
    expect(roundedRate(null)).toBeNull();
  });
});

test('the data of this test is what it seems', () => {
  // A writer that forgot to write would let every test above pass that looks for absence.
  expect(Buffer.from(file({ patient: '4711' })).includes('4711')).toBe(true);
});
