/**
 * Networks as data, and what computes them: layers and their shapes, backends, compiled plans, optimizers. Knows no image
 * and no loss; networks to begin with are in `uscl/methods`.
 *
 * @module uscl/engine
 */

// Networks: lists of nodes with names, which exist before any memory does.
export { type CutNetwork, cutNetwork, frozenPrefix } from '../engine/core/cut.ts';
export {
  inferShapes,
  INPUT,
  type Network,
  type Node,
  type ParameterRole,
  type ParameterSpec,
  parameterSpecs,
  type StatisticSpec,
  statisticSpecs,
  type ValueShape,
} from '../engine/core/network.ts';

// Backends: memory for parameters, plans that compute; processes that compute together.
export { BACKEND_CHOICES, BACKENDS, DEVICE_CHOICES, DEVICES } from '../engine/core/backend.ts';
export type { Ending, Ranks } from '../engine/ranks/communicator.ts';
export type {
  AdamStep,
  Backend,
  BackendChoice,
  BackendDescription,
  BackendKind,
  CudaNumbers,
  DeviceChoice,
  DeviceKind,
  KernelTime,
  NormRanks,
  Parameters,
  Plan,
  PlanOptions,
  Precision,
  Ranges,
  SgdStep,
  Vector,
} from '../engine/core/backend.ts';
export { openBackend, type OpenOptions, type SearchedLibrary, type SearchedTorch } from '../engine/open.ts';
export type { Diagnosis, Finding } from '../cli/findings.ts';

// Optimizers.
export {
  createOptimizer,
  type Optimizer,
  type OptimizerConfig,
  type ParameterGroup,
  rangesOf,
} from '../engine/core/optimizer.ts';
