/**
 * Randomness as a function of its address: `randomAt(seed, 'crop', epoch, clipId, view)` is the same stream
 * whoever asks, in whatever order. Nothing here has a history, so any step can be recomputed, workers need no
 * state, and resuming at step k is just starting at k.
 *
 * The address is hashed (two independent 64-bit FNV-1a-style lanes with avalanche) into the state of sfc32
 * (Chris Doty-Humphrey's small fast counter generator, PractRand), which then yields the stream.
 */

/** One part of an address. Numbers and strings never collide (`1` ≠ `'1'`). */
export type AddressPart = number | string;

/** The stream at an address. The first part is by convention the seed, the second the purpose. */
export function randomAt(seed: number, purpose: string, ...address: readonly AddressPart[]): Random {
  return new Random(hashAddress([seed, purpose, ...address]));
}

const scratch = new DataView(new ArrayBuffer(8));

function hashAddress(parts: readonly AddressPart[]): Uint32Array {
  const state = Uint32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667);
  for (const part of parts) {
    if (typeof part === 'number') {
      absorb(state, 1);
      scratch.setFloat64(0, part);
      absorb(state, scratch.getUint32(0));
      absorb(state, scratch.getUint32(4));
    } else {
      absorb(state, 2);
      absorb(state, part.length);
      for (let i = 0; i < part.length; i++) absorb(state, part.charCodeAt(i));
    }
  }
  for (let i = 0; i < 4; i++) absorb(state, 0);
  return state;
}

/** Mixes one 32-bit word into all four lanes (murmur3's multiply–rotate, then a cross-lane add). */
function absorb(state: Uint32Array, word: number): void {
  let k = Math.imul(word ^ state[3]!, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  k = Math.imul(k, 0x1b873593);
  const a = finalMix(state[0]! ^ k);
  state[0] = state[1]! + a;
  state[1] = state[2]! ^ Math.imul(a, 0x85ebca6b);
  state[2] = state[3]! + ((a << 13) | (a >>> 19));
  state[3] = a;
}

function finalMix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A stream of draws at one address, got by `randomAt`: the same whoever asks. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;
  #spare: number | undefined;

  constructor(state: Uint32Array) {
    this.#a = state[0]! | 0;
    this.#b = state[1]! | 0;
    this.#c = state[2]! | 0;
    this.#counter = state[3]! | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  #next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /**
   * The next words of the stream, one of 32 bits for each place of `target`: what as many calls of `uniform` stand for, times
   * 2³², but several times as quick.
   */
  fillWords(target: Uint32Array): void {
    // Whole numbers from the start, or the loop would count in floating point.
    let a = this.#a | 0;
    let b = this.#b | 0;
    let c = this.#c | 0;
    let counter = this.#counter | 0;
    for (let i = 0; i < target.length; i++) {
      const t = (((a + b) | 0) + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + t) | 0;
      target[i] = t;
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#counter = counter;
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    return this.#next() / 0x1_0000_0000;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Uniform integer in [0, bound); bound ≥ 1. */
  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1)
      throw new RangeError(`integer bound must be ≥ 1, got ${bound}`);
    return Math.floor(this.uniform() * bound);
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Gamma(shape, 1), shape > 0 (Marsaglia & Tsang 2000). */
  gamma(shape: number): number {
    if (!(shape > 0)) throw new RangeError(`gamma shape must be > 0, got ${shape}`);
    // Below 1: Gamma(a) = Gamma(a + 1) · U^(1/a).
    if (shape < 1) return this.gamma(shape + 1) * Math.pow(1 - this.uniform(), 1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      if (Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** Beta(a, b), a and b > 0, from two gammas. */
  beta(a: number, b: number): number {
    const x = this.gamma(a);
    const y = this.gamma(b);
    // Both can underflow to 0 for tiny shapes; the distribution is then a coin.
    if (x + y === 0) return this.uniform() < a / (a + b) ? 1 : 0;
    return x / (x + y);
  }

  /** A new array with the items in random order (Fisher–Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = result[i]!;
      result[i] = result[j]!;
      result[j] = held;
    }
    return result;
  }
}
