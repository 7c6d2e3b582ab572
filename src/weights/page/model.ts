/** The exported model in ONNX Runtime's WebAssembly, on one thread: more of them need headers that no folder has. */
import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm';
import { PageFailure } from './failure.ts';
import type { Frame } from './pixels.ts';

/** Class probabilities of a frame. */
export type Predict = (frame: Frame) => Promise<Float32Array>;

/** Opens the model with the bytes of the runtime and its own. Error: `PageFailure`. */
export async function openModel(
  runtime: Uint8Array<ArrayBuffer>,
  model: Uint8Array,
  classes: number,
): Promise<Predict> {
  env.logLevel = 'error';
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = runtime.buffer;
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(model, { executionProviders: ['wasm'] });
  } catch (thrown) {
    throw new PageFailure(
      `The model does not load: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      'Use a current Chrome, Edge, Firefox or Safari; if it stays, export the page again with uscl export.',
    );
  }
  return async ({ pixels, width, height, channels }) => {
    const frames = new Tensor('uint8', pixels, [1, height, width, channels]);
    const { probabilities } = await session.run({ frames });
    const values = probabilities?.data;
    if (!(values instanceof Float32Array) || values.length !== classes || !values.every(Number.isFinite))
      throw new PageFailure(
        'The model gave no probabilities for a frame.',
        'Export the page again with uscl export.',
      );
    return values.slice();
  };
}
