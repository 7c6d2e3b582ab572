/**
 * An ONNX model as plain objects, as far as this program makes and reads them. Source: onnx.proto of the ONNX project,
 * whose names and numbers these are.
 */

/** Types of elements by their number in the format. */
export const ELEMENTS = { float: 1, uint8: 2, int64: 7, double: 11 } as const;
export type ElementType = keyof typeof ELEMENTS;

/** Arrays that hold them. */
interface Arrays {
  readonly float: Float32Array;
  readonly uint8: Uint8Array;
  readonly int64: BigInt64Array;
  readonly double: Float64Array;
}

/** A tensor that is part of the model. */
export type Initializer = {
  [Type in ElementType]: {
    readonly name: string;
    readonly type: Type;
    readonly shape: readonly number[];
    readonly data: Arrays[Type];
  };
}[ElementType];

/** An attribute of a node: a whole number, a list of them, a number with a fraction, or a word. */
export type Attribute = number | readonly number[] | { readonly float: number } | string;

/** An operation on named values. */
export interface OnnxNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** A value that comes in or goes out; a dimension that may be any is a word. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
  readonly about?: string;
}

export interface OnnxModel {
  readonly graph: {
    readonly name: string;
    readonly nodes: readonly OnnxNode[];
    readonly initializers: readonly Initializer[];
    readonly inputs: readonly ValueInfo[];
    readonly outputs: readonly ValueInfo[];
  };
  /** Version of the set of operators. */
  readonly opset: number;
  readonly producer: { readonly name: string; readonly version: string };
  /** For people. */
  readonly about: string;
  /** For programs. */
  readonly metadata: Readonly<Record<string, string>>;
}
