/** Tiny datasets and configurations: a run of a few steps takes a fraction of a second on the plain backend. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import type { BackendKind } from '../../src/engine/core/backend.ts';
import type { PretrainEvent, RunSummary } from '../../src/pretrain/events.ts';
import type { PretrainOptions } from '../../src/pretrain/open-run.ts';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import { PLAIN, settingsOf } from '../backend.ts';

/** A folder that goes away after the test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'uscl-training-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export interface TinyDataset {
  /** What the manifest says; nothing but a name by default. */
  readonly name?: string;
  readonly licence?: string | null;
  readonly citation?: string | null;
  /** Another one shows other stripes. Default 0. */
  readonly seed?: number;
  readonly clips?: number;
  readonly frames?: number;
  readonly size?: number;
  /** Clips of a group. */
  readonly groupSize?: number;
  readonly labelled?: boolean;
  /** Default: a for even clips, b for odd ones. */
  readonly labelOf?: (clip: number) => string;
  /** Frames a second of a clip. Default: 5. */
  readonly fps?: (clip: number) => number | null;
  /** Pairs of clips of which the second shows what the first does. */
  readonly copies?: readonly (readonly [number, number])[];
}

/** Stripes that move: along for class a, across for class b. */
export async function tinyDataset(folder: string, options: TinyDataset = {}): Promise<string> {
  const { clips = 10, frames = 4, size = 16, groupSize = 2, labelled = true, copies = [] } = options;
  const { labelOf = (clip: number) => (clip % 2 === 0 ? 'a' : 'b'), fps = () => 5 } = options;
  const { name = 'stripes', licence = null, citation = null, seed = 0 } = options;
  using writer = createDataset(folder, {
    name,
    licence,
    citation,
    homepage: null,
    classes: ['a', 'b'],
    channels: 1,
    size,
    made: { command: 'test' },
  });
  for (let clip = 0; clip < clips; clip++) {
    const pixels = (frame: number): Uint8Array =>
      Uint8Array.from({ length: size * size }, (_, i) => {
        const shown = copies.find(([, copy]) => copy === clip)?.[0] ?? clip;
        const place = shown % 2 === 0 ? i % size : Math.floor(i / size);
        return Math.round(128 + 90 * Math.sin(place / (1 + (shown % 5)) + 0.7 * frame + shown + seed));
      });
    await writer.addClip(
      {
        id: `clip${clip}`,
        group: `group${Math.floor(clip / groupSize)}`,
        label: labelled ? labelOf(clip) : null,
        source: `clip${clip}.mp4`,
        sourceSha256: null,
        width: size,
        height: size,
        fps: fps(clip),
        original: { width: size, height: size, fps: fps(clip), frames },
        crop: null,
        dropped: { black: 0, blank: 0, duplicate: 0 },
        flags: [],
      },
      Array.from({ length: frames }, (_, frame) => pixels(frame)),
    );
  }
  writer.finish();
  return folder;
}

/** `--set` values of a run that takes no time: 8 training clips in two steps an epoch. */
export const TINY: readonly string[] = [
  ...settingsOf(PLAIN),
  'precision=f32',
  'view.size=16',
  'model.width=2',
  'method.projection={hidden: 8, dim: 4}',
  'batch.size=4',
  'loader.workers=0',
  'training.epochs=3',
  'schedule.warmup=none',
];

/**
 * The same on the vendor's kernels: filters in sixteens, as their layouts have them. One thread, because two that wait
 * for each other in every kernel lose a time slice each time a neighbour takes a core.
 */
export function tinyOn(vendor: BackendKind): readonly string[] {
  return [...TINY, ...settingsOf(vendor), 'view.size=32', 'model.width=16'];
}

/** Whatever backend is tested. */
export const TINY_ONEDNN = tinyOn('onednn');

/** Runs with the tiny configuration and further settings; collects what happened. */
export async function tinyRun(
  dataset: string,
  out: string,
  set: readonly string[] = [],
  options: Partial<PretrainOptions> = {},
): Promise<{ readonly summary: RunSummary; readonly events: readonly PretrainEvent[] }> {
  const events: PretrainEvent[] = [];
  const summary = await pretrain({
    dataset,
    out,
    config: { set: [...TINY, ...set] },
    ...options,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return { summary, events };
}

/** The `UsclError` that `action` ends in; fails the test when there is none. */
export async function errorOf(action: () => unknown): Promise<UsclError> {
  try {
    await action();
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
  throw new Error('There was no error.');
}
