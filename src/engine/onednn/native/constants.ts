/**
 * What oneDNN calls things by, as far as its majors agree. Where they give one thing different numbers, the engine speaks
 * of it by a name (`Tag`, `Algorithm`, the arguments), and each binding has the numbers.
 */
import { COMMON_X86 } from './instructions.ts';

export const DataType = { f32: 3, bf16: 2 } as const;
export type DataType = (typeof DataType)[keyof typeof DataType];

/** Plain row-major orders of one to four dimensions, the channels-last one, and "you choose". */
export type Tag = 'any' | 'a' | 'ab' | 'abcd' | 'acdb';

export const Prop = { forwardTraining: 64, forwardInference: 96, backward: 128 } as const;

export type Algorithm =
  | 'convolutionDirect'
  | 'convolutionWinograd'
  | 'eltwiseRelu'
  | 'eltwiseSqrt'
  | 'eltwiseLinear'
  | 'eltwiseReluFromDestination'
  | 'poolingMax'
  | 'poolingAverage'
  | 'binaryAdd'
  | 'binaryMul'
  | 'binaryDiv';

export const Query = {
  implementation: 8,
  source: 129,
  sourceGradient: 130,
  weights: 131,
  weightsGradient: 132,
  destination: 133,
  destinationGradient: 134,
  workspace: 135,
  scratchpad: 136,
  /** The layout of an execution argument, asked for by its number. */
  argument: 255,
} as const;

/** The numbers that a tensor is handed over under: as it is, or a row of its two dimensions. */
export type Places = readonly (readonly [number: number, row?: number])[];

/** Execution arguments (`DNNL_ARG_*`) that have one number in all majors. */
const COMMON_ARGUMENTS = {
  source: [[1]],
  source1: [[2]],
  destination: [[17]],
  weights: [[33]],
  bias: [[41]],
  mean: [[49]],
  variance: [[50]],
  workspace: [[64]],
  scratchpad: [[80]],
  sourceGradient: [[129]],
  destinationGradient: [[145]],
  weightsGradient: [[161]],
  biasGradient: [[169]],
} as const;

/** The others, as a major has them. */
interface OtherArguments {
  /** Scale and shift of a batch norm, [2, channels]. */
  readonly scaleShift: Places;
  /** What the backward pass reads of them. */
  readonly scaleShiftAgain: Places;
  readonly scaleShiftGradient: Places;
  /** Second input of the first post-operation, where that is a binary one. */
  readonly postOperand: Places;
}

export type Argument = keyof typeof COMMON_ARGUMENTS | keyof OtherArguments;

/** The numbers of one major. */
export interface Numbers {
  readonly tags: Readonly<Record<Tag, number>>;
  readonly algorithms: Readonly<Record<Algorithm, number>>;
  readonly arguments: Readonly<Record<Argument, Places>>;
  /** Names of the sets of instructions on x86-64. */
  readonly x86: Readonly<Record<number, string>>;
}

/** The numbers of a major, given where it differs from others. */
export function numbersOf(own: {
  readonly channelsLast: number;
  readonly relu: number;
  readonly squareRoot: number;
  readonly linear: number;
  readonly arguments: OtherArguments;
  readonly x86: Readonly<Record<number, string>>;
}): Numbers {
  return {
    tags: { any: 1, a: 2, ab: 3, abcd: 5, acdb: own.channelsLast },
    algorithms: {
      convolutionDirect: 1,
      convolutionWinograd: 2,
      eltwiseRelu: own.relu,
      eltwiseSqrt: own.squareRoot,
      eltwiseLinear: own.linear,
      eltwiseReluFromDestination: 0x100,
      poolingMax: 0x1ff,
      poolingAverage: 0x3ff,
      binaryAdd: 0x1fff0,
      binaryMul: 0x1fff1,
      binaryDiv: 0x1fff4,
    },
    arguments: { ...COMMON_ARGUMENTS, ...own.arguments },
    x86: { ...COMMON_X86, ...own.x86 },
  };
}

/** What a primitive is executed with, by the names of the arguments. */
export type Operands<Operand> = Readonly<Partial<Record<Argument, Operand | undefined>>>;

/** The operands that there are, by name. */
export function given<Operand>(
  operands: Operands<Operand>,
): readonly (readonly [argument: Argument, operand: Operand])[] {
  return Object.entries(operands).flatMap(([name, operand]) =>
    operand === undefined ? [] : [[name as Argument, operand] as const],
  );
}
