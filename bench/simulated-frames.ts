/** Simulated frames as clips of a dataset, with the field that an ingest would find: for pictures and timings of views. */
import { withChannels } from '../src/dataset/channels.ts';
import { type ClipRecord, FORMAT_VERSION } from '../src/dataset/types.ts';
import { findField } from '../src/ingest/field/find.ts';
import { drawClip } from '../src/phantom/findings.ts';
import { drawPatient } from '../src/phantom/nuisance.ts';
import type { ProbeParameters } from '../src/phantom/parameters.ts';
import { simulateClip } from '../src/phantom/simulate.ts';
import type { FrameSource } from '../src/views/image.ts';

export type ProbeShape = ProbeParameters['shape'];

/** A dataset of one frame a probe, `size` pixels square; in colour all channels are alike. */
export function simulatedFrames(shapes: readonly ProbeShape[], size: number, channels: 1 | 3): FrameSource {
  const taken = shapes.map((shape) => simulated(shape, size));
  const clips = taken.map((frames, i) => clipOf(shapes[i]!, size, frames));
  const stored = taken.map(([first]) => withChannels(first!, 1, channels));
  return {
    manifest: {
      ...({ format: 'uscl-dataset', version: FORMAT_VERSION, name: 'simulated' } as const),
      ...{ licence: null, citation: null, homepage: null, classes: [], channels, size },
      ...{ clips: clips.length, frames: clips.length, made: {}, rejected: [] },
    },
    clips,
    readFrame(clip, _frame, target = new Uint8Array(channels * size * size)) {
      target.set(stored[clips.indexOf(clip)]!);
      return target;
    },
  };
}

/** Frames of a simulated patient who was looked at with such a probe. */
function simulated(shape: ProbeShape, size: number): Uint8Array[] {
  const patient = Array.from({ length: 60 }, (_, i) => drawPatient(4, i)).find(
    ({ probe }) => probe.shape === shape,
  );
  if (patient === undefined) throw new Error(`no patient with a ${shape} probe`);
  return simulateClip(drawClip({ seed: 4, id: shape, patient, label: 'consolidation', frames: 8, size }));
}

function clipOf(name: string, size: number, frames: readonly Uint8Array[]): ClipRecord {
  const square = { width: size, height: size };
  return {
    ...{
      id: name,
      group: name,
      label: null,
      source: name,
      sourceSha256: null,
      frames: 1,
      offset: 0,
      fps: null,
    },
    ...square,
    original: { ...square, fps: null, frames: 1 },
    crop: null,
    field: findField(frames, square, 1),
    ...{ hashes: [], mask: null, dropped: { black: 0, blank: 0, duplicate: 0 }, flags: [] },
  };
}
