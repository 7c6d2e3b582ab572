/** Values of oneDNN 2.x's C enums that the engine uses (dnnl_types.h of 2.6). */

export const DataType = { f32: 3, bf16: 2 } as const;
export type DataType = (typeof DataType)[keyof typeof DataType];

/** Format tags: plain row-major orders of one to four dimensions, the channels-last one, and "you choose". */
export const Tag = { any: 1, a: 2, ab: 3, abcd: 5, acdb: 20 } as const;

export const Prop = { forwardTraining: 64, forwardInference: 96, backward: 128 } as const;

export const Algorithm = {
  convolutionDirect: 1,
  convolutionWinograd: 2,
  eltwiseRelu: 0x1f,
  eltwiseSqrt: 0x6f,
  eltwiseLinear: 0x7f,
  eltwiseReluFromDestination: 0x100,
  poolingMax: 0x1ff,
  poolingAverage: 0x3ff,
  binaryAdd: 0x1fff0,
  binaryMul: 0x1fff1,
  binaryDiv: 0x1fff4,
} as const;

export const NormFlag = { useGlobalStatistics: 1, useScaleShift: 2, fuseRelu: 4 } as const;

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
  /** The layout of an execution argument, asked for by its `Arg`. */
  argument: 255,
} as const;

/** Execution arguments (`DNNL_ARG_*`). */
export const Arg = {
  source: 1,
  source1: 2,
  destination: 17,
  weights: 33,
  scaleShift: 33,
  bias: 41,
  mean: 49,
  variance: 50,
  workspace: 64,
  scratchpad: 80,
  sourceGradient: 129,
  destinationGradient: 145,
  weightsGradient: 161,
  scaleShiftGradient: 161,
  biasGradient: 169,
  /** Second input of the first post-operation, where that is a binary one. */
  postOperand: 16386,
} as const;

/** What a primitive is executed with, by the names of the arguments. */
export type Operands<Operand> = Readonly<Partial<Record<keyof typeof Arg, Operand | undefined>>>;

/** The operands that there are, with the numbers of their arguments. */
export function numbered<Operand>(
  operands: Operands<Operand>,
): readonly (readonly [arg: number, operand: Operand])[] {
  return Object.entries(operands).flatMap(([name, operand]) =>
    operand === undefined ? [] : [[Arg[name as keyof typeof Arg], operand] as const],
  );
}

export const CPU_ISA: Readonly<Record<number, string>> = {
  0x1: 'sse4.1',
  0x3: 'avx',
  0x7: 'avx2',
  0xf: 'avx512_mic',
  0x1f: 'avx512_mic_4ops',
  0x27: 'avx512_core',
  0x67: 'avx512_core_vnni',
  0xe7: 'avx512_core_bf16',
  0x3e7: 'avx512_core_amx',
  0x407: 'avx2_vnni',
};

/** Bytes of `dnnl_memory_desc_t`, and room that every operation descriptor of 2.x fits in. */
export const MEMORY_DESC_BYTES = 696;
export const OPERATION_DESC_BYTES = 8192;
