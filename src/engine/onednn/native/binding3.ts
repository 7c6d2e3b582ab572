/**
 * oneDNN 3.x: layouts are handles of the library, and the descriptor of a primitive is made in one call. Numbers are
 * those of dnnl_types.h of 3.0; all up to 3.13 have the same.
 */
import type { LibraryHandle } from 'koffi';
import { declare } from '../../native/declare.ts';
import { declareCommon, type Binding, type NormFlags } from './binding.ts';
import { numbersOf } from './constants.ts';
import { isAvxAlone, thisProcessor } from './instructions.ts';
import { allocateZeros, type Address } from '../../native/memory.ts';
import { Scope, slotIn } from '../../native/scope.ts';
import { check } from './status.ts';

// The place of the descriptor comes first, then the engine; the hint of a backward primitive and the attributes come last.
const SIGNATURES = {
  memoryDescCreateWithTag: ['dnnl_memory_desc_create_with_tag', 'int', 'P, int, P, int, int'],
  memoryDescCreateSubmemory: ['dnnl_memory_desc_create_submemory', 'int', 'P, P, P, P'],
  memoryDescClone: ['dnnl_memory_desc_clone', 'int', 'P, P'],
  memoryDescDestroy: ['dnnl_memory_desc_destroy', 'int', 'P'],
  convForward: [
    'dnnl_convolution_forward_primitive_desc_create',
    'int',
    'P, P, int, int, P, P, P, P, P, P, P, P, P',
  ],
  convBackwardData: [
    'dnnl_convolution_backward_data_primitive_desc_create',
    'int',
    'P, P, int, P, P, P, P, P, P, P, P, P',
  ],
  convBackwardWeights: [
    'dnnl_convolution_backward_weights_primitive_desc_create',
    'int',
    'P, P, int, P, P, P, P, P, P, P, P, P, P',
  ],
  normForward: [
    'dnnl_batch_normalization_forward_primitive_desc_create',
    'int',
    'P, P, int, P, P, float, uint, P',
  ],
  normBackward: [
    'dnnl_batch_normalization_backward_primitive_desc_create',
    'int',
    'P, P, int, P, P, P, float, uint, P, P',
  ],
  poolForward: [
    'dnnl_pooling_forward_primitive_desc_create',
    'int',
    'P, P, int, int, P, P, P, P, P, P, P, P',
  ],
  poolBackward: [
    'dnnl_pooling_backward_primitive_desc_create',
    'int',
    'P, P, int, P, P, P, P, P, P, P, P, P',
  ],
  eltwiseForward: [
    'dnnl_eltwise_forward_primitive_desc_create',
    'int',
    'P, P, int, int, P, P, float, float, P',
  ],
  eltwiseBackward: [
    'dnnl_eltwise_backward_primitive_desc_create',
    'int',
    'P, P, int, P, P, P, float, float, P, P',
  ],
  binary: ['dnnl_binary_primitive_desc_create', 'int', 'P, P, int, P, P, P, P'],
  linearForward: ['dnnl_inner_product_forward_primitive_desc_create', 'int', 'P, P, int, P, P, P, P, P'],
  linearBackwardData: [
    'dnnl_inner_product_backward_data_primitive_desc_create',
    'int',
    'P, P, P, P, P, P, P',
  ],
  linearBackwardWeights: [
    'dnnl_inner_product_backward_weights_primitive_desc_create',
    'int',
    'P, P, P, P, P, P, P, P',
  ],
  setMaxIsa: ['dnnl_set_max_cpu_isa', 'int', 'int'],
  postOpsAppendSum: ['dnnl_post_ops_append_sum', 'int', 'P, float, int, int'],
  postOpsAppendEltwise: ['dnnl_post_ops_append_eltwise', 'int', 'P, int, float, float'],
} as const;

const NUMBERS = numbersOf({
  channelsLast: 22,
  relu: 0x20,
  squareRoot: 0x25,
  linear: 0x26,
  arguments: {
    scaleShift: [
      [51, 0],
      [52, 1],
    ],
    // A shift would be refused: nothing depends on it there.
    scaleShiftAgain: [[51, 0]],
    scaleShiftGradient: [
      [255, 0],
      [256, 1],
    ],
    postOperand: [[32770]],
  },
  x86: {
    0xf: 'avx2_vnni',
    0x1f: 'avx2_vnni_2',
    0x1ef: 'avx512_core_fp16',
    0xfef: 'avx512_core_amx',
    0x1fef: 'avx512_core_amx_fp16',
    0x201ff: 'avx10_2',
    0x22fff: 'avx10_2_amx_2',
  },
});

/** Of x86-64. */
const SSE41 = 0x1;

/** `dnnl_data_type_undef`: the destination's own type. */
const OWN_TYPE = 0;

export function bind3(native: LibraryHandle): Binding {
  const own = declare(native, SIGNATURES);
  // Norms and sums have kernels for AVX2 and for SSE4.1. With AVX alone they run in plain loops, and a step takes half again
  // as long as with SSE4.1. The library takes a limit before it is first asked what it uses, and some builds take none.
  if (isAvxAlone(thisProcessor())) own.setMaxIsa(SSE41);
  const { algorithms, tags } = NUMBERS;
  // For the life of the process, as the library.
  const slot = slotIn(new Scope());
  /** No dilation, in any of the dimensions. */
  const dense = allocateZeros(96).address;
  /** A layout that a function writes the handle of, destroyed with the scope. */
  const owned = (scope: Scope, status: number, call: string): Address => {
    check(status, call);
    const layout = slot.read();
    scope.defer(() => own.memoryDescDestroy(layout));
    return layout;
  };
  return {
    numbers: NUMBERS,
    functions: declareCommon(native),
    make: {
      convForward: (t, propagation, algorithm, source, weights, bias, destination, stride, before, after) =>
        own.convForward(
          ...([
            t.slot,
            t.engine,
            propagation,
            algorithms[algorithm],
            source,
            weights,
            bias,
            destination,
          ] as const),
          ...([stride, dense, before, after, t.attributes] as const),
        ),
      convBackwardData: (t, algorithm, gradient, weights, incoming, stride, before, after) =>
        own.convBackwardData(
          ...([t.slot, t.engine, algorithms[algorithm], gradient, weights, incoming] as const),
          ...([stride, dense, before, after, t.hint, t.attributes] as const),
        ),
      convBackwardWeights: (t, algorithm, source, gradient, bias, incoming, stride, before, after) =>
        own.convBackwardWeights(
          ...([t.slot, t.engine, algorithms[algorithm], source, gradient, bias, incoming] as const),
          ...([stride, dense, before, after, t.hint, t.attributes] as const),
        ),
      normForward: (t, propagation, map, epsilon, flags) =>
        own.normForward(t.slot, t.engine, propagation, map, map, epsilon, flagsOf(flags), t.attributes),
      normBackward: (t, propagation, gradient, map, epsilon, flags) =>
        own.normBackward(
          ...([t.slot, t.engine, propagation, gradient, gradient, map] as const),
          ...([epsilon, flagsOf(flags), t.hint, t.attributes] as const),
        ),
      poolForward: (t, propagation, algorithm, source, destination, stride, kernel, before, after) =>
        own.poolForward(
          ...([t.slot, t.engine, propagation, algorithms[algorithm], source, destination] as const),
          ...([stride, kernel, dense, before, after, t.attributes] as const),
        ),
      poolBackward: (t, algorithm, gradient, incoming, stride, kernel, before, after) =>
        own.poolBackward(
          ...([t.slot, t.engine, algorithms[algorithm], gradient, incoming] as const),
          ...([stride, kernel, dense, before, after, t.hint, t.attributes] as const),
        ),
      eltwiseForward: (t, propagation, algorithm, map, alpha, beta) =>
        own.eltwiseForward(
          ...([t.slot, t.engine, propagation, algorithms[algorithm]] as const),
          ...([map, map, alpha, beta, t.attributes] as const),
        ),
      eltwiseBackward: (t, algorithm, gradient, map, alpha, beta) =>
        own.eltwiseBackward(
          ...([t.slot, t.engine, algorithms[algorithm], gradient, gradient, map] as const),
          ...([alpha, beta, t.hint, t.attributes] as const),
        ),
      binary: (t, algorithm, ...layouts) =>
        own.binary(t.slot, t.engine, algorithms[algorithm], ...layouts, t.attributes),
      linearForward: (t, ...args) => own.linearForward(t.slot, t.engine, ...args, t.attributes),
      linearBackwardData: (t, ...layouts) =>
        own.linearBackwardData(t.slot, t.engine, ...layouts, t.hint, t.attributes),
      linearBackwardWeights: (t, ...layouts) =>
        own.linearBackwardWeights(t.slot, t.engine, ...layouts, t.hint, t.attributes),
    },
    layout: (scope, count, dimensions, type, tag) =>
      owned(
        scope,
        own.memoryDescCreateWithTag(slot.address, count, dimensions, type, tags[tag]),
        `dnnl_memory_desc_create_with_tag ${tag}`,
      ),
    part: (scope, whole, dimensions, offsets) =>
      owned(
        scope,
        own.memoryDescCreateSubmemory(slot.address, whole, dimensions, offsets),
        'dnnl_memory_desc_create_submemory',
      ),
    kept: (scope, layout) =>
      owned(scope, own.memoryDescClone(slot.address, layout), 'dnnl_memory_desc_clone'),
    appendEltwise: (list, algorithm, alpha, beta) =>
      own.postOpsAppendEltwise(list, algorithms[algorithm], alpha, beta),
    appendSum: (list, scale) => own.postOpsAppendSum(list, scale, 0, OWN_TYPE),
  };
}

/** Global statistics 1, scale 2, shift 4, ReLU 8. */
function flagsOf({ frozen, relu }: NormFlags): number {
  return (frozen ? 1 : 0) | 2 | 4 | (relu ? 8 : 0);
}
