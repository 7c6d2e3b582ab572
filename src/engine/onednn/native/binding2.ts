/**
 * oneDNN 2.x: layouts are structs in memory of ours, an operation is described in a struct of its own, and from that
 * the descriptor of a primitive is made. Numbers are those of dnnl_types.h of 2.6; 2.7 has the same.
 */
import type { LibraryHandle } from 'koffi';
import { declare } from '../../native/declare.ts';
import { declareCommon, type Binding, type NormFlags, type Target } from './binding.ts';
import { numbersOf } from './constants.ts';
import { allocateBlock, byteView, type Address } from '../../native/memory.ts';
import type { Scope } from '../../native/scope.ts';
import { check } from './status.ts';

const SIGNATURES = {
  memoryDescInitByTag: ['dnnl_memory_desc_init_by_tag', 'int', 'P, int, P, int, int'],
  memoryDescInitSubmemory: ['dnnl_memory_desc_init_submemory', 'int', 'P, P, P, P'],
  convForward: ['dnnl_convolution_forward_desc_init', 'int', 'P, int, int, P, P, P, P, P, P, P'],
  convBackwardData: ['dnnl_convolution_backward_data_desc_init', 'int', 'P, int, P, P, P, P, P, P'],
  convBackwardWeights: ['dnnl_convolution_backward_weights_desc_init', 'int', 'P, int, P, P, P, P, P, P, P'],
  normForward: ['dnnl_batch_normalization_forward_desc_init', 'int', 'P, int, P, float, uint'],
  normBackward: ['dnnl_batch_normalization_backward_desc_init', 'int', 'P, int, P, P, float, uint'],
  poolForward: ['dnnl_pooling_forward_desc_init', 'int', 'P, int, int, P, P, P, P, P, P'],
  poolBackward: ['dnnl_pooling_backward_desc_init', 'int', 'P, int, P, P, P, P, P, P'],
  eltwiseForward: ['dnnl_eltwise_forward_desc_init', 'int', 'P, int, int, P, float, float'],
  eltwiseBackward: ['dnnl_eltwise_backward_desc_init', 'int', 'P, int, P, P, float, float'],
  binary: ['dnnl_binary_desc_init', 'int', 'P, int, P, P, P'],
  linearForward: ['dnnl_inner_product_forward_desc_init', 'int', 'P, int, P, P, P, P'],
  linearBackwardData: ['dnnl_inner_product_backward_data_desc_init', 'int', 'P, P, P, P'],
  linearBackwardWeights: ['dnnl_inner_product_backward_weights_desc_init', 'int', 'P, P, P, P, P'],
  primitiveDescCreate: ['dnnl_primitive_desc_create', 'int', 'P, P, P, P, P'],
  postOpsAppendSum: ['dnnl_post_ops_append_sum', 'int', 'P, float'],
  postOpsAppendEltwise: ['dnnl_post_ops_append_eltwise', 'int', 'P, float, int, float, float'],
} as const;

const NUMBERS = numbersOf({
  channelsLast: 20,
  relu: 0x1f,
  squareRoot: 0x6f,
  linear: 0x7f,
  arguments: {
    scaleShift: [[33]],
    scaleShiftAgain: [[33]],
    scaleShiftGradient: [[161]],
    postOperand: [[16386]],
  },
  x86: {
    0xf: 'avx512_mic',
    0x1f: 'avx512_mic_4ops',
    0x3e7: 'avx512_core_amx',
    0x407: 'avx2_vnni',
  },
});

/** Bytes of `dnnl_memory_desc_t`, and room that every operation descriptor fits in. */
const LAYOUT_BYTES = 696;
const OPERATION_BYTES = 8192;

export function bind2(native: LibraryHandle): Binding {
  const own = declare(native, SIGNATURES);
  const { algorithms, tags } = NUMBERS;
  // For the life of the process, as the library.
  const operation = allocateBlock(OPERATION_BYTES).address;
  /** Describes an operation, then makes the primitive's descriptor of it. */
  const made = (target: Target, describe: (at: Address) => number): number => {
    byteView(operation, OPERATION_BYTES).fill(0);
    check(describe(operation), `${target.call} (descriptor)`);
    return own.primitiveDescCreate(target.slot, operation, target.attributes, target.engine, target.hint);
  };
  const filled = (scope: Scope): Address => scope.block(LAYOUT_BYTES).address;
  return {
    numbers: NUMBERS,
    functions: declareCommon(native),
    make: {
      convForward: (target, propagation, algorithm, ...layouts) =>
        made(target, (at) => own.convForward(at, propagation, algorithms[algorithm], ...layouts)),
      convBackwardData: (target, algorithm, ...layouts) =>
        made(target, (at) => own.convBackwardData(at, algorithms[algorithm], ...layouts)),
      convBackwardWeights: (target, algorithm, ...layouts) =>
        made(target, (at) => own.convBackwardWeights(at, algorithms[algorithm], ...layouts)),
      normForward: (target, propagation, map, epsilon, flags) =>
        made(target, (at) => own.normForward(at, propagation, map, epsilon, flagsOf(flags))),
      normBackward: (target, propagation, gradient, map, epsilon, flags) =>
        made(target, (at) => own.normBackward(at, propagation, gradient, map, epsilon, flagsOf(flags))),
      poolForward: (target, propagation, algorithm, ...layouts) =>
        made(target, (at) => own.poolForward(at, propagation, algorithms[algorithm], ...layouts)),
      poolBackward: (target, algorithm, ...layouts) =>
        made(target, (at) => own.poolBackward(at, algorithms[algorithm], ...layouts)),
      eltwiseForward: (target, propagation, algorithm, ...rest) =>
        made(target, (at) => own.eltwiseForward(at, propagation, algorithms[algorithm], ...rest)),
      eltwiseBackward: (target, algorithm, ...rest) =>
        made(target, (at) => own.eltwiseBackward(at, algorithms[algorithm], ...rest)),
      binary: (target, algorithm, ...layouts) =>
        made(target, (at) => own.binary(at, algorithms[algorithm], ...layouts)),
      linearForward: (target, ...args) => made(target, (at) => own.linearForward(at, ...args)),
      linearBackwardData: (target, ...layouts) =>
        made(target, (at) => own.linearBackwardData(at, ...layouts)),
      linearBackwardWeights: (target, ...layouts) =>
        made(target, (at) => own.linearBackwardWeights(at, ...layouts)),
    },
    layout(scope, count, dimensions, type, tag) {
      const at = filled(scope);
      const status = own.memoryDescInitByTag(at, count, dimensions, type, tags[tag]);
      check(status, `dnnl_memory_desc_init_by_tag ${tag}`);
      return at;
    },
    part(scope, whole, dimensions, offsets) {
      const at = filled(scope);
      check(own.memoryDescInitSubmemory(at, whole, dimensions, offsets), 'dnnl_memory_desc_init_submemory');
      return at;
    },
    kept(scope, layout) {
      const at = filled(scope);
      byteView(at, LAYOUT_BYTES).set(byteView(layout, LAYOUT_BYTES));
      return at;
    },
    appendEltwise: (list, algorithm, alpha, beta) =>
      own.postOpsAppendEltwise(list, 1, algorithms[algorithm], alpha, beta),
    appendSum: (list, scale) => own.postOpsAppendSum(list, scale),
  };
}

/** Global statistics 1, scale and shift 2, ReLU 4. */
function flagsOf({ frozen, relu }: NormFlags): number {
  return (frozen ? 1 : 0) | 2 | (relu ? 4 : 0);
}
