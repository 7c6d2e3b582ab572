/** What a pickle holds, as plain values. Names of functions and classes stay names, and what Python would call stays a record of the call. */

/** A function or class that a pickle mentions, `module.name`. */
export class PickledName {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** An object that Python would make by calling `target`. Nothing was called. */
export class PickledCall {
  readonly target: PickleValue;
  readonly args: PickleValue;
  /** What was put into it by key. */
  readonly items = new Map<PickleValue, PickleValue>();
  /** What was put into it by position. */
  readonly list: PickleValue[] = [];
  state: PickleValue = null;

  constructor(target: PickleValue, args: PickleValue) {
    this.target = target;
    this.args = args;
  }
}

/** Something that is kept outside of the pickle, by its identity there. */
export class PickledReference {
  readonly id: PickleValue;

  constructor(id: PickleValue) {
    this.id = id;
  }
}

/** A value of a pickle: lists and tuples are arrays, dictionaries maps, long integers bigint where a number cannot hold them. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | ReadonlyMap<PickleValue, PickleValue>
  | ReadonlySet<PickleValue>
  | PickledName
  | PickledCall
  | PickledReference;
