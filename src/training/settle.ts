/** Choices that a configuration leaves to the machine, made: a saved run says what it ran with, not `auto`. */
import type { Backend } from '../engine/backend.ts';
import type { Config } from './config.ts';

type Choices = Pick<Config, 'backend' | 'threads' | 'precision'>;

/** Backend, threads and precision as they are. */
export function settledChoices(config: Choices, backend: Backend): Choices {
  const { name, threads, precisions } = backend.describe();
  return {
    backend: name === 'reference' ? 'reference' : 'onednn',
    threads,
    precision: config.precision === 'auto' ? (precisions[0] ?? 'f32') : config.precision,
  };
}

/** The configuration with backend, threads and precision as they are. */
export function settled(config: Config, backend: Backend): Config {
  return { ...config, ...settledChoices(config, backend) };
}
