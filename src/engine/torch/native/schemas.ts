/**
 * The operators that are called through ATen's dispatcher, as data: name, overload, kinds of arguments and how many tensors come
 * back. A wrong kind is a crash without a word, so calls are typed by these lines and a test compares them with PyTorch's own.
 */
import type { Tensor } from './tensor.ts';

/** Kinds of arguments, as PyTorch's schemas write them. */
export interface Kinds {
  readonly Tensor: Tensor;
  readonly 'Optional[Tensor]': Tensor | null;
  readonly 'List[Tensor]': readonly Tensor[];
  readonly bool: boolean;
  readonly float: number;
  readonly 'List[bool]': readonly boolean[];
  readonly 'Optional[List[int]]': readonly number[] | null;
  /** A type of numbers. */
  readonly 'Optional[int]': number | null;
}
export type Kind = keyof Kinds;

export interface Schema {
  readonly name: string;
  readonly overload: string;
  readonly takes: readonly Kind[];
  /** Tensors that come back. */
  readonly gives: number;
}

const FUSED_LISTS = ['List[Tensor]', 'List[Tensor]', 'List[Tensor]'] as const;
const FUSED_SCALES = ['Optional[Tensor]', 'Optional[Tensor]'] as const;
const FUSED_ADAM = [
  ...FUSED_LISTS,
  ...FUSED_LISTS,
  ...(['float', 'float', 'float', 'float', 'float', 'bool', 'bool'] as const),
  ...FUSED_SCALES,
] as const;
const NORM = [
  ...(['Tensor', 'Optional[Tensor]', 'Optional[Tensor]', 'Optional[Tensor]', 'Optional[Tensor]'] as const),
  ...(['bool', 'float', 'float'] as const),
] as const;
const REDUCTION = ['Tensor', 'Optional[List[int]]', 'bool', 'Optional[int]'] as const;

export const SCHEMAS = {
  norm: { name: 'aten::native_batch_norm', overload: '', takes: NORM, gives: 3 },
  /** Writes what `norm` makes. */
  normInto: {
    name: 'aten::native_batch_norm',
    overload: 'out',
    takes: [...NORM, 'Tensor', 'Tensor', 'Tensor'],
    gives: 3,
  },
  normBackward: {
    name: 'aten::native_batch_norm_backward',
    overload: '',
    takes: [
      ...(['Tensor', 'Tensor', 'Optional[Tensor]', 'Optional[Tensor]', 'Optional[Tensor]'] as const),
      ...(['Optional[Tensor]', 'Optional[Tensor]', 'bool', 'float', 'List[bool]'] as const),
    ],
    gives: 3,
  },
  normMoments: {
    name: 'aten::batch_norm_update_stats',
    overload: '',
    takes: ['Tensor', 'Optional[Tensor]', 'Optional[Tensor]', 'float'],
    gives: 2,
  },
  mean: { name: 'aten::mean', overload: 'dim', takes: REDUCTION, gives: 1 },
  dot: { name: 'aten::dot', overload: '', takes: ['Tensor', 'Tensor'], gives: 1 },
  sum: { name: 'aten::sum', overload: 'dim_IntList', takes: REDUCTION, gives: 1 },
  reluInPlace: { name: 'aten::relu_', overload: '', takes: ['Tensor'], gives: 1 },
  relu: { name: 'aten::relu', overload: '', takes: ['Tensor'], gives: 1 },
  sign: { name: 'aten::sign', overload: '', takes: ['Tensor'], gives: 1 },
  signInPlace: { name: 'aten::sign_', overload: '', takes: ['Tensor'], gives: 1 },
  multiplyInPlace: { name: 'aten::mul_', overload: 'Tensor', takes: ['Tensor', 'Tensor'], gives: 1 },
  divideInto: { name: 'aten::div', overload: 'out', takes: ['Tensor', 'Tensor', 'Tensor'], gives: 1 },
  lerpInPlace: { name: 'aten::lerp_', overload: 'Tensor', takes: ['Tensor', 'Tensor', 'Tensor'], gives: 1 },
  adam: { name: 'aten::_fused_adam_', overload: '', takes: FUSED_ADAM, gives: 0 },
  adamw: { name: 'aten::_fused_adamw_', overload: '', takes: FUSED_ADAM, gives: 0 },
  sgd: {
    name: 'aten::_fused_sgd_',
    overload: '',
    takes: [
      ...FUSED_LISTS,
      ...(['float', 'float', 'float', 'float', 'bool', 'bool', 'bool'] as const),
      ...FUSED_SCALES,
    ],
    gives: 0,
  },
} as const satisfies Readonly<Record<string, Schema>>;

export type Operator = keyof typeof SCHEMAS;

type ValuesOf<List extends readonly Kind[]> = { readonly [Index in keyof List]: Kinds[List[Index]] };
/** What an operator takes. */
export type Arguments<Name extends Operator> = ValuesOf<(typeof SCHEMAS)[Name]['takes']>;
