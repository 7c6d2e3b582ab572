/**
 * The functions of libtorch's stable C interface that the engine calls: `torch/csrc/stable/c/shim.h`,
 * `torch/csrc/inductor/aoti_torch/c/shim.h`, and the kernels of `c_shim_{cpu,cuda,mps,xpu}.h`, which are declared alike for each device.
 * All but those that return nothing or a number return 0 where they succeed.
 */
import type { LibraryHandle } from 'koffi';
import { declare, type Declared, type Signatures } from '../../native/declare.ts';
import type { Address } from '../../native/memory.ts';

const COMMON = {
  setGradMode: ['aoti_torch_grad_mode_set_enabled', 'void', 'int'],
  deleteTensor: ['aoti_torch_delete_tensor_object', 'int', 'P'],
  newHandle: ['aoti_torch_new_tensor_handle', 'int', 'P, P'],
  dataPointer: ['aoti_torch_get_data_ptr', 'int', 'P, P'],
  emptyStrided: ['aoti_torch_empty_strided', 'int', 'int64_t, P, P, int, int, int, P'],
  emptyPinned: ['aoti_torch_empty_strided_pinned', 'int', 'int64_t, P, P, int, int, int, P'],
  reinterpret: ['aoti_torch__reinterpret_tensor', 'int', 'P, int64_t, P, P, int64_t, P'],
  copy: ['aoti_torch_copy_', 'int', 'P, P, int'],
  zero: ['aoti_torch_zero_', 'int', 'P'],
  dispatch: ['torch_call_dispatcher', 'int', 'P, P, P, uint64_t'],
  newList: ['torch_new_list_reserve_size', 'int', 'size_t, P'],
  pushBack: ['torch_list_push_back', 'int', 'P, uint64_t'],
  float32: ['aoti_torch_dtype_float32', 'int', ''],
  float64: ['aoti_torch_dtype_float64', 'int', ''],
  bfloat16: ['aoti_torch_dtype_bfloat16', 'int', ''],
} as const satisfies Signatures;

/** Kernels of one device, by the end of their names; they borrow what they are given and make handles. */
const KERNELS = {
  convolution: [
    'convolution',
    'int',
    'P, P, P, P, int64_t, P, int64_t, P, int64_t, int, P, int64_t, int64_t, P',
  ],
  convolutionBackward: [
    'convolution_backward',
    'int',
    'P, P, P, P, int64_t, P, int64_t, P, int64_t, P, int64_t, int, P, int64_t, int64_t, P, int64_t, P, P, P',
  ],
  maxPool: ['max_pool2d_with_indices', 'int', 'P, P, int64_t, P, int64_t, P, int64_t, P, int64_t, int, P, P'],
  maxPoolBackward: [
    'max_pool2d_with_indices_backward',
    'int',
    'P, P, P, int64_t, P, int64_t, P, int64_t, P, int64_t, int, P, P',
  ],
  matmulInto: ['mm_out', 'int', 'P, P, P'],
  affineInto: ['addmm_out', 'int', 'P, P, P, P, double, double'],
  add: ['add_Tensor', 'int', 'P, P, double, P'],
  multiply: ['mul_Tensor', 'int', 'P, P, P'],
  fill: ['fill__Scalar', 'int', 'P, double'],
  concatenate: ['cat', 'int', 'P, int64_t, int64_t, P'],
  narrow: ['narrow', 'int', 'P, int64_t, int64_t, int64_t, P'],
} as const satisfies Signatures;

export type Functions = Declared<typeof COMMON>;
export type Kernels = Declared<typeof KERNELS>;

export function bindCommon(native: LibraryHandle): Functions {
  return declare(native, COMMON);
}

/** The kernels of a device (`cpu`, `cuda`, …), from the library that has them. */
export function bindKernels(native: LibraryHandle, device: string): Kernels {
  const lines = Object.entries(KERNELS).map(([key, [name, result, parameters]]) => [
    key,
    [`aoti_torch_${device}_${name}`, result, parameters],
  ]);
  return declare(native, Object.fromEntries(lines) as typeof KERNELS);
}

/** What newer releases have beside, or what is no part of the stable interface: null where it is not there. */
export interface Extras {
  /** 2.13: the words of the last error. Before that they are printed. */
  readonly lastError: (() => string | null) | null;
  /** 2.13: a cell for an optional argument. */
  readonly newCell: ((slot: Address) => number) | null;
  /** A function of ATen's C++, of these names in 2.10 to 2.15. */
  readonly setThreads: ((count: number) => void) | null;
}

export function bindExtras(native: LibraryHandle, platform: NodeJS.Platform): Extras {
  return {
    lastError: optional(
      native,
      'torch_exception_get_what_without_backtrace',
      'const char *',
      [],
    ) as Extras['lastError'],
    newCell: optional(native, 'torch_new_stable_ivalue', 'int', ['uintptr_t']) as Extras['newCell'],
    setThreads: optional(
      ...([native, SET_THREADS[platform === 'win32' ? 'msvc' : 'itanium'], 'void', ['int']] as const),
    ) as Extras['setThreads'],
  };
}

/** `at::set_num_threads(int)` as compilers of C++ name it. */
const SET_THREADS = { itanium: '_ZN2at15set_num_threadsEi', msvc: '?set_num_threads@at@@YAXH@Z' } as const;

function optional(
  native: LibraryHandle,
  name: string,
  result: string,
  parameters: readonly string[],
): ((...args: readonly never[]) => unknown) | null {
  try {
    return native.func(name, result, [...parameters]);
  } catch {
    // A library has no other reason than that it lacks the function.
    return null;
  }
}
