/**
 * Placing buffers with known lifetimes in one arena so that those alive at the same time never overlap. Greedy by
 * size (largest first, lowest free offset): within a few per cent of the lower bound on ResNets, and simple.
 */

export interface PlacementRequest {
  readonly bytes: number;
  /** First and last command that touches the buffer, inclusive. */
  readonly first: number;
  readonly last: number;
}

export interface Placement {
  /** Byte offset of each request, in the order given. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/** Cache lines of neighbours stay apart, and wide loads stay aligned. */
const ALIGNMENT = 256;

export function place(requests: readonly PlacementRequest[]): Placement {
  const offsets = new Array<number>(requests.length).fill(0);
  const order = requests
    .map((_, index) => index)
    .sort((a, b) => requests[b]!.bytes - requests[a]!.bytes || a - b);
  const placed: number[] = [];
  let bytes = 0;
  for (const index of order) {
    const request = requests[index]!;
    const rivals = placed
      .filter((other) => requests[other]!.first <= request.last && request.first <= requests[other]!.last)
      .sort((a, b) => offsets[a]! - offsets[b]!);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + request.bytes <= offsets[rival]!) break;
      offset = Math.max(offset, align(offsets[rival]! + requests[rival]!.bytes));
    }
    offsets[index] = offset;
    bytes = Math.max(bytes, offset + request.bytes);
    placed.push(index);
  }
  return { offsets, bytes };
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
