/** Worker threads: starting them from the built package and from its TypeScript source alike, and errors out of them. */
import { Worker } from 'node:worker_threads';
import { messageOf, type ErrorDetails, UsclError } from './errors.ts';

/**
 * Starts the module `name` (`./worker`, without ending) that lies beside the module with the URL `from`: the `.js` of
 * the built package or, where `from` is TypeScript, the `.ts` through tsx. `workerData` is copied to it.
 */
export function startThread(from: string, name: string, title: string, workerData?: unknown): Worker {
  // The parent's own flags may not be allowed in a worker.
  const options = { workerData, execArgv: [], name: title };
  if (!from.endsWith('.ts')) return new Worker(new URL(`${name}.js`, from), options);
  // Loader hooks given on the command line do not reach worker threads in Node 20, so the thread registers them.
  const [tsx, worker] = [import.meta.resolve('tsx/esm/api'), new URL(`${name}.ts`, from).href].map((url) =>
    JSON.stringify(url),
  );
  const code = `import(${tsx}).then(({ register }) => { register(); return import(${worker}); });`;
  return new Worker(code, { ...options, eval: true });
}

/** An error as plain data, as it goes from thread to thread; it keeps its kind, code, place and way out. */
export type PortableError = ErrorDetails | { readonly message: string; readonly stack: string | undefined };

export function toPortable(thrown: unknown): PortableError {
  if (thrown instanceof UsclError) {
    const { kind, code, message, where, remedy } = thrown;
    return { kind, code, message, where, remedy };
  }
  return { message: messageOf(thrown), stack: thrown instanceof Error ? thrown.stack : undefined };
}

export function fromPortable(error: PortableError): Error {
  if ('kind' in error) return new UsclError(error);
  const defect = new Error(error.message);
  if (error.stack !== undefined) defect.stack = error.stack;
  return defect;
}
