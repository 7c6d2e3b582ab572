/**
 * The tensors of an unpickled checkpoint, by their path in it: keys of dictionaries, and parameters, buffers and modules of
 * whole models that were saved. A tensor that lies in its storage as it is read shares that memory; any other is copied, once.
 */
import type { Tensor, TensorData } from '../safetensors.ts';
import { ARRAYS, type Dtype } from '../safetensors-header.ts';
import { PickledCall, PickledName, PickledReference, type PickleValue } from './pickle-values.ts';
import type { Refuse } from './refuse.ts';

/** A storage that a pickle refers to. */
export interface StorageUse {
  readonly key: string;
  readonly dtype: Dtype;
  /** Elements. */
  readonly length: number;
}

/** What a checkpoint holds. */
export interface TorchTensors {
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Paths of tensors of kinds that have no place here: complex, quantised or sparse ones. */
  readonly unread: readonly string[];
}

const DTYPES: Readonly<Record<string, Dtype>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

/** Parts of a saved model that have no name of their own in its state. */
const NAMELESS = new Set(['_parameters', '_buffers', '_modules']);

/** Dictionaries within dictionaries, and sides of a tensor. */
const DEEPEST = 64;
const MOST_SIDES = 16;
/** Most tensors, dictionaries and lists that are looked at: each may be named as often as the pickle is long, in two bytes each. */
const MOST_NAMED = 60_000;

/** Finds all tensors. `read` gives the elements of a storage; `refuse` makes the errors. */
export function tensorsOf(
  root: PickleValue,
  read: (storage: StorageUse) => TensorData,
  refuse: Refuse,
  budget: number,
): TorchTensors {
  const tensors = new Map<string, Tensor>();
  const unread: string[] = [];
  const seen = new Set<PickleValue>();
  let left = budget;
  let named = 0;
  const todo: { readonly path: readonly string[]; readonly value: PickleValue }[] = [
    { path: [], value: root },
  ];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { path, value } = next;
    const name = path.join('.');
    const rebuilt = value instanceof PickledCall ? rebuiltTensor(value) : null;
    if (rebuilt !== null) {
      const view = viewOf(rebuilt, refuse, name);
      if (view === null) unread.push(name);
      else {
        const { tensor, copied } = taken(view, read(view.storage), left, refuse, name);
        left -= copied;
        tensors.set(name, tensor);
      }
      continue;
    }
    const inner = partsOf(value);
    if (inner.length === 0 || seen.has(value)) continue;
    seen.add(value);
    if (path.length >= DEEPEST) throw refuse.invalid(null, `it nests more than ${DEEPEST} dictionaries`);
    named += inner.length;
    if (named > MOST_NAMED)
      throw refuse.invalid(null, `it names more than ${MOST_NAMED} tensors, dictionaries and lists`);
    for (const [key, part] of inner.reverse())
      todo.push({ path: NAMELESS.has(key) ? path : [...path, key], value: part });
  }
  return { tensors, unread };
}

/** Named parts of a value that may hold tensors: of a dictionary, of a list, of an object with a state. */
function partsOf(value: PickleValue): [string, PickleValue][] {
  const parts: [string, PickleValue][] = [];
  const add = (key: PickleValue, part: PickleValue): void => {
    if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return;
    if (typeof key === 'string' || typeof key === 'number') parts.push([String(key), part]);
  };
  const addAll = (map: ReadonlyMap<PickleValue, PickleValue>): void => {
    for (const [key, part] of map) add(key, part);
  };
  if (value instanceof Map) addAll(value);
  else if (Array.isArray(value)) for (const [i, part] of (value as PickleValue[]).entries()) add(i, part);
  else if (value instanceof PickledCall) {
    addAll(value.items);
    if (value.state instanceof Map) addAll(value.state);
  }
  return parts;
}

/** The arguments of the tensor that a call would make: a storage, an offset, sizes and strides; null for any other call. */
function rebuiltTensor(call: PickledCall): readonly PickleValue[] | null {
  for (let { target, args } = call, depth = 0; depth < 3; depth++) {
    if (!(target instanceof PickledName) || !isList(args)) return null;
    const { name } = target;
    if (name === 'torch._utils._rebuild_tensor_v2' || name === 'torch._utils._rebuild_tensor') return args;
    // A parameter is a tensor and whether it trains; a subclass is what makes the tensor, and its arguments.
    const [first, , third] = args;
    if (/^torch\._utils\._rebuild_parameter(_with_state)?$/.test(name) && first instanceof PickledCall)
      ({ target, args } = first);
    else if (name === 'torch._tensor._rebuild_from_type_v2' && first !== undefined && third !== undefined)
      [target, args] = [first, third];
    else return /^torch\._utils\._rebuild_.*tensor/.test(name) ? [] : null;
  }
  return null;
}

interface TensorView {
  readonly storage: StorageUse;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** What a tensor shows of its storage; null for a kind that is not read. */
function viewOf(args: readonly PickleValue[], refuse: Refuse, name: string): TensorView | null {
  const [reference, offset, shape, strides] = args;
  const storage = storageOf(reference);
  if (storage === null) return null;
  if (!isCount(offset) || !isShape(shape) || !isShape(strides) || shape.length !== strides.length)
    throw refuse.invalid(null, `its tensor "${name}" has no shape`);
  return { storage, offset, shape, strides };
}

/** The storage that a pickle refers to; null where that is none, or of a kind that is not read. */
export function storageOf(reference: PickleValue | undefined): StorageUse | null {
  if (!(reference instanceof PickledReference) || !isList(reference.id)) return null;
  const [kind, type, key, , length] = reference.id;
  const dtype = type instanceof PickledName ? DTYPES[type.name] : undefined;
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isCount(length)) return null;
  return { key, dtype, length };
}

/** A tensor, and how many bytes were copied for it. */
function taken(
  { storage, offset, shape, strides }: TensorView,
  data: TensorData,
  budget: number,
  refuse: Refuse,
  name: string,
): { readonly tensor: Tensor; readonly copied: number } {
  const { dtype } = storage;
  const count = shape.reduce((product, side) => product * side, 1);
  const last = shape.reduce((at, side, i) => at + (side - 1) * strides[i]!, offset);
  if (count > 0 && !(last < data.length))
    throw refuse.invalid(null, `its tensor "${name}" ends after its storage`);
  if (isContiguous(shape, strides) || count === 0) {
    const part = data.subarray(offset, offset + count);
    return { tensor: { dtype, shape, data: part }, copied: 0 };
  }
  const copied = count * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (!(copied <= budget))
    throw refuse.invalid(null, `its tensors, as "${name}", show more numbers than the file holds`);
  return { tensor: { dtype, shape, data: gathered(dtype, count, shape, strides, offset, data) }, copied };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/** The elements in the order of the shape, whatever the strides. */
function gathered(
  dtype: Dtype,
  count: number,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  data: TensorData,
): TensorData {
  const result = new ARRAYS[dtype](count);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < count; i++) {
    result[i] = data[at]!;
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d]! += 1;
      at += strides[d]!;
      if (index[d]! < shape[d]!) break;
      at -= shape[d]! * strides[d]!;
      index[d] = 0;
    }
  }
  return result;
}

function isList(value: PickleValue | undefined): value is readonly PickleValue[] {
  return Array.isArray(value);
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isShape(value: PickleValue | undefined): value is readonly number[] {
  return isList(value) && value.length <= MOST_SIDES && value.every(isCount);
}
