/**
 * The loops of this folder, compiled, and the memory that they work in: one of each a thread, made when first asked for. The memory only grows. It holds nothing between two uses: who
 * wants loops run copies in what they read, and copies out what they wrote.
 */
import { across, down, sample } from './sample-code.ts';
import { amplitudes, filter, multiplyLevels, noise } from './filter-code.ts';
import { addDepth, equaliseLevels, joinMaps } from './level-code.ts';
import { type Kernel, moduleOf } from './module.ts';

const KERNELS = {
  ...{ filter, noise, amplitudes, multiplyLevels, sample, across, down, joinMaps, equaliseLevels },
  ...{ addDepthStraight: addDepth(true), addDepthAlongFan: addDepth(false) },
} satisfies Readonly<Record<string, Kernel>>;

type NumbersOf<Kinds extends readonly unknown[]> = { readonly [I in keyof Kinds]: number };
type Loops = {
  readonly [Name in keyof typeof KERNELS]: (
    ...values: NumbersOf<(typeof KERNELS)[Name]['parameters']>
  ) => void;
};

/** The memory seen four ways, and the loops, which take addresses in it in bytes. */
export interface Workspace {
  readonly loops: Loops;
  readonly bytes: Uint8Array;
  readonly ints: Int32Array;
  readonly singles: Float32Array;
  readonly doubles: Float64Array;
}

/** What of WebAssembly is used: neither Node's types nor the library of the language name it. */
declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const PAGE = 65536;

let opened: { readonly memory: Memory; readonly loops: Loops; workspace: Workspace } | undefined;

function viewsOf({ buffer }: Memory, loops: Loops): Workspace {
  return {
    loops,
    bytes: new Uint8Array(buffer),
    ints: new Int32Array(buffer),
    singles: new Float32Array(buffer),
    doubles: new Float64Array(buffer),
  };
}

function open(): NonNullable<typeof opened> {
  const memory = new WebAssembly.Memory({ initial: 16 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleOf(KERNELS)), {
    memory: { memory },
  });
  const loops = exports as Loops;
  return { memory, loops, workspace: viewsOf(memory, loops) };
}

/** The workspace with at least `length` bytes. Its arrays hold until it is asked for again. */
export function workspaceOf(length: number): Workspace {
  opened ??= open();
  const missing = length - opened.workspace.bytes.length;
  if (missing > 0) {
    opened.memory.grow(Math.ceil(missing / PAGE));
    opened.workspace = viewsOf(opened.memory, opened.loops);
  }
  return opened.workspace;
}

/** The next multiple of `of`. */
export function roundedUp(length: number, of: number): number {
  return of * Math.ceil(length / of);
}

/** Copies rows of `width` values, one after another from `offset` on, to rows that begin `stride` apart from `at` on. */
export function putRows<Values extends Uint8Array | Float32Array>(
  target: Values,
  at: number,
  stride: number,
  source: Values,
  offset: number,
  width: number,
  rows: number,
): void {
  if (stride === width) {
    target.set(source.subarray(offset, offset + width * rows), at);
    return;
  }
  for (let y = 0; y < rows; y++)
    target.set(source.subarray(offset + y * width, offset + (y + 1) * width), at + y * stride);
}

/** The way back: rows that begin `stride` apart from `at` on, to rows of `width` one after another from `offset` on. */
export function takeRows<Values extends Uint8Array | Float32Array>(
  source: Values,
  at: number,
  stride: number,
  target: Values,
  offset: number,
  width: number,
  rows: number,
): void {
  if (stride === width) {
    target.set(source.subarray(at, at + width * rows), offset);
    return;
  }
  for (let y = 0; y < rows; y++)
    target.set(source.subarray(at + y * stride, at + y * stride + width), offset + y * width);
}
