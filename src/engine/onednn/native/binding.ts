/**
 * The seam between the engine and oneDNN's C interface, which differs between majors: what the engine asks for, in terms of
 * neither. `binding2.ts` and `binding3.ts` fill it; nothing above them knows which major was loaded.
 *
 * Handles are addresses. What both majors declare alike (`Functions`) is called as it is.
 */
import type { LibraryHandle } from 'koffi';
import type { Algorithm, DataType, Numbers, Tag } from './constants.ts';
import { declare, type Declared, type Signatures } from '../../native/declare.ts';
import type { Address } from '../../native/memory.ts';
import type { Scope } from '../../native/scope.ts';

const COMMON = {
  engineCreate: ['dnnl_engine_create', 'int', 'P, int, size_t'],
  engineDestroy: ['dnnl_engine_destroy', 'int', 'P'],
  streamCreate: ['dnnl_stream_create', 'int', 'P, P, uint'],
  streamWait: ['dnnl_stream_wait', 'int', 'P'],
  streamDestroy: ['dnnl_stream_destroy', 'int', 'P'],
  memoryDescGetSize: ['dnnl_memory_desc_get_size', 'size_t', 'P'],
  memoryDescEqual: ['dnnl_memory_desc_equal', 'int', 'P, P'],
  memoryCreate: ['dnnl_memory_create', 'int', 'P, P, P, P'],
  memorySetData: ['dnnl_memory_set_data_handle', 'int', 'P, P'],
  memoryDestroy: ['dnnl_memory_destroy', 'int', 'P'],
  attrCreate: ['dnnl_primitive_attr_create', 'int', 'P'],
  attrDestroy: ['dnnl_primitive_attr_destroy', 'int', 'P'],
  attrSetScratchpadMode: ['dnnl_primitive_attr_set_scratchpad_mode', 'int', 'P, int'],
  attrSetPostOps: ['dnnl_primitive_attr_set_post_ops', 'int', 'P, P'],
  postOpsCreate: ['dnnl_post_ops_create', 'int', 'P'],
  postOpsDestroy: ['dnnl_post_ops_destroy', 'int', 'P'],
  postOpsAppendBinary: ['dnnl_post_ops_append_binary', 'int', 'P, int, P'],
  reorderDescCreate: ['dnnl_reorder_primitive_desc_create', 'int', 'P, P, P, P, P, P'],
  primitiveDescDestroy: ['dnnl_primitive_desc_destroy', 'int', 'P'],
  primitiveDescQueryMemory: ['dnnl_primitive_desc_query_md', 'P', 'P, int, int'],
  primitiveDescQuery: ['dnnl_primitive_desc_query', 'int', 'P, int, int, P'],
  primitiveCreate: ['dnnl_primitive_create', 'int', 'P, P'],
  primitiveDestroy: ['dnnl_primitive_destroy', 'int', 'P'],
  primitiveExecute: ['dnnl_primitive_execute', 'int', 'P, P, int, P'],
  setPrimitiveCacheCapacity: ['dnnl_set_primitive_cache_capacity', 'int', 'int'],
  effectiveIsa: ['dnnl_get_effective_cpu_isa', 'int', ''],
} as const satisfies Signatures;

/** The functions of dnnl.h that the engine calls and that all majors declare alike. */
export type Functions = Declared<typeof COMMON>;

export function declareCommon(native: LibraryHandle): Functions {
  return declare(native, COMMON);
}

/** What a batch norm does beside scaling and shifting. */
export interface NormFlags {
  /** The running statistics are taken, not those of the batch. */
  readonly frozen: boolean;
  readonly relu: boolean;
}

type Layout = Address;
/** Two numbers of 64 bits, height and width. */
type Pair = Address;

/** The operations, each with what describes it: propagation, algorithm, layouts and windows, in this order. */
export interface Operations {
  readonly convForward: readonly [
    propagation: number,
    algorithm: Algorithm,
    source: Layout,
    weights: Layout,
    bias: Layout,
    destination: Layout,
    stride: Pair,
    before: Pair,
    after: Pair,
  ];
  readonly convBackwardData: readonly [
    algorithm: Algorithm,
    sourceGradient: Layout,
    weights: Layout,
    destinationGradient: Layout,
    stride: Pair,
    before: Pair,
    after: Pair,
  ];
  readonly convBackwardWeights: readonly [
    algorithm: Algorithm,
    source: Layout,
    weightsGradient: Layout,
    biasGradient: Layout,
    destinationGradient: Layout,
    stride: Pair,
    before: Pair,
    after: Pair,
  ];
  readonly normForward: readonly [propagation: number, map: Layout, epsilon: number, flags: NormFlags];
  readonly normBackward: readonly [
    propagation: number,
    gradient: Layout,
    map: Layout,
    epsilon: number,
    flags: NormFlags,
  ];
  readonly poolForward: readonly [
    propagation: number,
    algorithm: Algorithm,
    source: Layout,
    destination: Layout,
    stride: Pair,
    kernel: Pair,
    before: Pair,
    after: Pair,
  ];
  readonly poolBackward: readonly [
    algorithm: Algorithm,
    sourceGradient: Layout,
    destinationGradient: Layout,
    stride: Pair,
    kernel: Pair,
    before: Pair,
    after: Pair,
  ];
  readonly eltwiseForward: readonly [
    propagation: number,
    algorithm: Algorithm,
    map: Layout,
    alpha: number,
    beta: number,
  ];
  readonly eltwiseBackward: readonly [
    algorithm: Algorithm,
    gradient: Layout,
    map: Layout,
    alpha: number,
    beta: number,
  ];
  readonly binary: readonly [algorithm: Algorithm, one: Layout, other: Layout, destination: Layout];
  readonly linearForward: readonly [
    propagation: number,
    source: Layout,
    weights: Layout,
    bias: Layout,
    destination: Layout,
  ];
  readonly linearBackwardData: readonly [
    sourceGradient: Layout,
    weights: Layout,
    destinationGradient: Layout,
  ];
  readonly linearBackwardWeights: readonly [
    source: Layout,
    weightsGradient: Layout,
    biasGradient: Layout,
    destinationGradient: Layout,
  ];
}

/** Where the descriptor of a primitive is written, and what it is made of beside its operation. */
export interface Target {
  /** What is made, for errors. */
  readonly call: string;
  readonly slot: Address;
  readonly engine: Address;
  readonly attributes: Address;
  /** The descriptor of the forward primitive, or NULL. */
  readonly hint: Address;
}

/** Makes the descriptor of a primitive for each operation; the library's status is returned. */
export type Makers = {
  readonly [Operation in keyof Operations]: (target: Target, ...args: Operations[Operation]) => number;
};

export interface Binding {
  readonly numbers: Numbers;
  readonly functions: Functions;
  readonly make: Makers;
  /** A layout; what holds it is released with the scope. `dimensions` points at `count` numbers of 64 bits. */
  layout(scope: Scope, count: number, dimensions: Address, type: DataType, tag: Tag): Layout;
  /** The layout of a part of a tensor. */
  part(scope: Scope, whole: Layout, dimensions: Address, offsets: Address): Layout;
  /** A layout that a primitive's descriptor owns, kept beyond it. */
  kept(scope: Scope, layout: Layout): Layout;
  /** Appends an elementwise operation to a list of post-operations. */
  appendEltwise(list: Address, algorithm: Algorithm, alpha: number, beta: number): number;
  /** Appends adding what the destination held, scaled. */
  appendSum(list: Address, scale: number): number;
}
