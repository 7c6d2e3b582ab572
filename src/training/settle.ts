/** Choices that a configuration leaves to the machine, made: a saved run says what it ran with, not `auto`. */
import type { Backend } from '../engine/backend.ts';
import type { Config } from './config.ts';

/** The configuration with backend, threads and precision as they are. */
export function settled(config: Config, backend: Backend): Config {
  const { name, threads, precisions } = backend.describe();
  return {
    ...config,
    backend: name === 'reference' ? 'reference' : 'onednn',
    threads,
    precision: config.precision === 'auto' ? (precisions[0] ?? 'f32') : config.precision,
  };
}
