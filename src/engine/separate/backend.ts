/**
 * Separate memory: any backend as if its memory were a device's. Arrays that a plan shows are the host's own; they are carried
 * over when a pass runs or when they are asked for, and what has gone out of date is NaN. Whoever holds an array across a pass,
 * or an update, sees it; images that are written to an array from before the last pass are an error. All tests of the engine and of training run on it too.
 */
import type {
  AdamStep,
  Backend,
  KernelTime,
  Parameters,
  Plan,
  PlanOptions,
  SgdStep,
  Vector,
} from '../core/backend.ts';
import type { Network } from '../core/network.ts';

/** Copies between the host and the backend's memory of one kind, so far. */
export interface Transfer {
  readonly calls: number;
  readonly bytes: number;
}

/** Copies by what was carried. */
export type Transfers = ReadonlyMap<string, Transfer>;

/** A backend with memory of its own. */
export interface SeparateBackend extends Backend {
  /** Copies of vectors and of what plans show, since the backend was made. */
  readonly transfers: Transfers;
}

/** Takes the backend over: it is disposed of with the one that is returned. */
export function separateMemory(inner: Backend): SeparateBackend {
  const transfers = new Map<string, Transfer>();
  const note: Note = (what, numbers) => {
    const { calls, bytes } = transfers.get(what) ?? { calls: 0, bytes: 0 };
    transfers.set(what, { calls: calls + 1, bytes: bytes + 4 * numbers });
  };
  const vectorOf = (vector: Vector): Vector => new SeparateVector(vector, note);
  const owners = new WeakMap<Parameters, Parameters>();
  const innerOf = (parameters: Parameters): Parameters => {
    const found = owners.get(parameters);
    if (found === undefined) throw new TypeError('these parameters belong to another backend');
    return found;
  };
  return {
    transfers,
    describe: () => inner.describe(),
    createParameters(network: Network): Parameters {
      const own = inner.createParameters(network);
      const parameters: Parameters = {
        specs: own.specs,
        statisticSpecs: own.statisticSpecs,
        values: vectorOf(own.values),
        gradients: vectorOf(own.gradients),
        statistics: vectorOf(own.statistics),
        follow: (source, keep) => {
          own.follow(innerOf(source), keep);
        },
        [Symbol.dispose]: () => {
          own[Symbol.dispose]();
        },
      };
      owners.set(parameters, own);
      return parameters;
    },
    compile: (network: Network, parameters: Parameters, options: PlanOptions) =>
      new SeparatePlan(inner.compile(network, innerOf(parameters), options), network, options, note),
    allocate: (like) => vectorOf(inner.allocate(typeof like === 'number' ? like : within(like))),
    sumOfSquares: (vector, ranges) => inner.sumOfSquares(within(vector), ranges),
    adam: (step: AdamStep) => {
      inner.adam({
        ...step,
        ...{ values: within(step.values), gradients: within(step.gradients) },
        ...{ first: within(step.first), second: within(step.second) },
      });
    },
    sgd: (step: SgdStep) => {
      inner.sgd({
        ...step,
        ...{ values: within(step.values), gradients: within(step.gradients) },
        momentumBuffer: within(step.momentumBuffer),
      });
    },
    synchronize: () => {
      inner.synchronize();
    },
    [Symbol.dispose]: () => {
      inner[Symbol.dispose]();
    },
  };
}

/** A copy of so many numbers. */
type Note = (what: string, numbers: number) => void;

class SeparateVector implements Vector {
  readonly inner: Vector;
  readonly #note: Note;

  constructor(inner: Vector, note: Note) {
    this.inner = inner;
    this.#note = note;
  }

  get length(): number {
    return this.inner.length;
  }

  read(target?: Float32Array, start?: number): Float32Array {
    const read = this.inner.read(target, start);
    this.#note('read a vector', read.length);
    return read;
  }

  write(source: Float32Array, start?: number): void {
    this.#note('write a vector', source.length);
    this.inner.write(source, start);
  }

  copyFrom(source: Vector): void {
    if (source instanceof SeparateVector) this.inner.copyFrom(source.inner);
    else this.write(source.read());
  }

  clone(): Vector {
    return new SeparateVector(this.inner.clone(), this.#note);
  }

  unordered(): Vector {
    return new SeparateVector(this.inner.unordered(), this.#note);
  }

  [Symbol.dispose](): void {
    this.inner[Symbol.dispose]();
  }
}

function within(vector: Vector): Vector {
  if (vector instanceof SeparateVector) return vector.inner;
  throw new TypeError('this vector belongs to another backend');
}

/** An array of the host that follows one of the plan inside. */
class Shown {
  readonly name: string;
  #host: Float32Array | null = null;
  #isCurrent = false;

  constructor(name: string) {
    this.name = name;
  }

  /** What the inner plan has, copied when it is asked for first after each pass. */
  current(inner: () => Float32Array, note: Note): Float32Array {
    const host = (this.#host ??= new Float32Array(inner().length));
    if (!this.#isCurrent) {
      host.set(inner());
      note(this.name, host.length);
    }
    this.#isCurrent = true;
    return host;
  }

  expire(): void {
    this.#host?.fill(NaN);
    this.#isCurrent = false;
  }
}

class SeparatePlan implements Plan {
  readonly batch: number;
  readonly #inner: Plan;
  readonly #input: Float32Array;
  /** What the last pass had, and whether the input was asked for since. */
  readonly #passed: Float32Array;
  #isAsked = false;
  readonly #note: Note;
  readonly #copies = new Map<string, number>();
  /** Outputs and tapped values, out of date after each forward pass. */
  readonly #values = new Map<string, Shown>();
  /** Gradients of tapped values, out of date after each backward pass. */
  readonly #valueGradients = new Map<string, Shown>();
  readonly #outputGradients: ReadonlyMap<string, Float32Array>;

  constructor(inner: Plan, { outputs }: Network, { mode }: PlanOptions, note: Note) {
    this.batch = inner.batch;
    this.#input = new Float32Array(inner.input.length);
    this.#passed = this.#input.slice();
    this.#inner = inner;
    this.#note = (what, numbers) => {
      this.#copies.set(what, (this.#copies.get(what) ?? 0) + 1);
      note(what, numbers);
    };
    this.#outputGradients = new Map(
      mode === 'train'
        ? outputs.map((name) => [name, new Float32Array(inner.outputGradient(name).length)])
        : [],
    );
  }

  get bytes(): number {
    return this.#inner.bytes;
  }

  get input(): Float32Array {
    this.#isAsked = true;
    return this.#input;
  }

  forward(): void {
    if (!this.#isAsked && !haveSameBytes(this.#input, this.#passed))
      throw new TypeError('images were written to an input that was asked for before the last pass');
    this.#isAsked = false;
    this.#passed.set(this.#input);
    this.#inner.input.set(this.#input);
    this.#note('write input', this.#input.length);
    this.#inner.forward();
    for (const shown of this.#values.values()) shown.expire();
  }

  output(name: string): Float32Array {
    const shown = this.#shown(this.#values, `read output ${name}`);
    return shown.current(() => this.#inner.output(name), this.#note);
  }

  outputGradient(name: string): Float32Array {
    return this.#outputGradients.get(name) ?? this.#inner.outputGradient(name);
  }

  value(tap: string): Float32Array {
    const shown = this.#shown(this.#values, `read value ${tap}`);
    return shown.current(() => this.#inner.value(tap), this.#note);
  }

  valueGradient(tap: string): Float32Array {
    const shown = this.#shown(this.#valueGradients, `read gradient of value ${tap}`);
    return shown.current(() => this.#inner.valueGradient(tap), this.#note);
  }

  backward(options?: { readonly accumulate?: boolean }): void {
    for (const [name, gradient] of this.#outputGradients) {
      this.#inner.outputGradient(name).set(gradient);
      this.#note(`write gradient of output ${name}`, gradient.length);
    }
    this.#inner.backward(options);
    for (const shown of this.#valueGradients.values()) shown.expire();
  }

  /** Times of the plan inside, and counts of the copies. */
  profile(): readonly KernelTime[] {
    const copies = [...this.#copies].map(([kernel, calls]) => ({ node: '', kernel, calls, seconds: 0 }));
    return [...this.#inner.profile(), ...copies];
  }

  [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }

  #shown(known: Map<string, Shown>, name: string): Shown {
    const shown = known.get(name) ?? new Shown(name);
    known.set(name, shown);
    return shown;
  }
}

function haveSameBytes(a: Float32Array, b: Float32Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}
