import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';

import { readEvents, readScalars } from '../events.ts';
import { crc32c, EventWriter, maskedCrc32c } from '../../src/formats/tensorboard.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'uscl-events-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown.code;
    throw thrown;
  }
  return 'no error';
};

describe('crc32c', () => {
  it('gives the published checksums (RFC 3720, B.4, and the check value of the catalogue)', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('masks by rotation and addition', () => {
    // 0xe3069283 rotated right by 15 is 0x2507c60d; plus 0xa282ead8 is 0xc78ab0e5.
    expect(maskedCrc32c(Buffer.from('123456789'))).toBe(0xc78ab0e5);
  });
});

describe('EventWriter', () => {
  it('writes the bytes of the record format and of the event messages', () => {
    const writer = EventWriter.open(folder, { wallTime: 1 });
    writer.scalar('ab', 0.5, 300, 2);
    writer.close();
    const bytes = readFileSync(writer.path);

    const version = Buffer.from(
      `09000000000000f03f1a0d${Buffer.from('brain.Event:2').toString('hex')}`,
      'hex',
    );
    // wall_time 2.0 · step 300 = ac 02 · summary { value { tag 'ab', simple_value 0.5 } }
    const scalar = Buffer.from(`09000000000000004010ac022a0b0a090a026162150000003f`, 'hex');
    const expected = [version, scalar].flatMap((data) => {
      const length = Buffer.alloc(8);
      length.writeUInt8(data.length);
      const [lengthCrc, dataCrc] = [length, data].map((part) => {
        const crc = Buffer.alloc(4);
        crc.writeUInt32LE(maskedCrc32c(part));
        return crc;
      });
      return [length, lengthCrc!, data, dataCrc!];
    });
    expect(bytes.toString('hex')).toBe(Buffer.concat(expected).toString('hex'));
  });

  it('keeps tags, steps beyond 32 bits, values and times', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            tag: fc.string({ unit: 'grapheme', minLength: 1 }),
            value: fc.float(),
            step: fc.maxSafeNat(),
            wallTime: fc.double({ noNaN: true }),
          }),
          { maxLength: 20 },
        ),
        (points) => {
          const writer = EventWriter.open(folder, { wallTime: 1 });
          for (const { tag, value, step, wallTime } of points) writer.scalar(tag, value, step, wallTime);
          writer.close();
          const events = readEvents(readFileSync(writer.path));
          rmSync(writer.path);
          expect(events[0]).toMatchObject({ fileVersion: 'brain.Event:2', scalars: [] });
          expect(
            events.slice(1).map(({ scalars, step, wallTime }) => ({ ...scalars[0], step, wallTime })),
          ).toEqual(points);
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });

  it('shows points after a flush and holds them before it', () => {
    const writer = EventWriter.open(folder);
    writer.scalar('loss', 1, 0);
    expect(readEvents(readFileSync(writer.path))).toHaveLength(1);
    writer.flush();
    expect(readEvents(readFileSync(writer.path))).toHaveLength(2);
    writer.close();
  });

  it('passes points on by itself before they fill memory', () => {
    const writer = EventWriter.open(folder);
    for (let step = 0; step < 10_000; step++) writer.scalar('loss', step, step);
    expect(readFileSync(writer.path).length).toBeGreaterThan(1 << 18);
    writer.close();
  });

  it('drops what a killed process wrote at or beyond the step a run continues from', () => {
    const killed = EventWriter.open(folder);
    for (let step = 0; step < 10; step++) killed.scalar('loss', step, step);
    killed.scalar('only-late', 1, 9);
    killed.flush();
    appendFileSync(killed.path, Buffer.from([9, 0, 0, 0, 0]));
    const resumed = EventWriter.open(folder, { fromStep: 6 });
    for (let step = 6; step < 8; step++) resumed.scalar('loss', 100 + step, step);
    resumed.close();

    const series = readScalars(folder);
    expect([...series.keys()]).toEqual(['loss']);
    expect(series.get('loss')!.map(({ step, value }) => [step, value])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 5],
      [6, 106],
      [7, 107],
    ]);
    killed.close();
  });

  it('starts a file of its own that sorts behind the others, within one second and after a clock set back', () => {
    const names = [100, 100, 5].map((wallTime) => {
      const writer = EventWriter.open(folder, { wallTime });
      writer.close();
      return writer.path;
    });
    expect(new Set(names).size).toBe(3);
    expect([...names].sort()).toEqual(names);
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('refuses steps that are no whole numbers, and points after it was closed', () => {
    const writer = EventWriter.open(folder);
    expect(() => {
      writer.scalar('loss', 1, 0.5);
    }).toThrow(RangeError);
    expect(() => {
      writer.scalar('loss', 1, -1);
    }).toThrow(RangeError);
    writer.close();
    writer.close();
    expect(() => {
      writer.scalar('loss', 1, 1);
    }).toThrow('closed');
  });

  it('names a path that cannot be written', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(codeOf(() => EventWriter.open(join(file, 'run')))).toBe('WRITE_FAILED');
  });

  it.skipIf(process.getuid?.() === 0)('names a folder that may not be written (not as root)', () => {
    chmodSync(folder, 0o500);
    expect(codeOf(() => EventWriter.open(folder))).toBe('WRITE_FAILED');
  });
});
