/**
 * The worker thread of a loader. It opens the dataset itself and renders one batch after another into shared memory.
 * It loads no native code of the engine, keeps nothing between batches, and ends when it is told to.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { toPortable } from '../base/thread.ts';
import { openDataset, type Dataset } from '../dataset/reader.ts';
import { finished, lengthOf, openRenderer, type FromWorker } from './work.ts';
import type { Renderer, ToWorker, WorkerStart } from './work.ts';

/** The loader is the only one who starts this file, with these data. */
const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('This module runs in a worker thread only.');

const states = new Int32Array(start.states);
let open: { readonly dataset: Dataset; readonly render: Renderer } | undefined;

function ready(): Renderer {
  if (open === undefined) {
    const dataset = openDataset(start.folder);
    open = { dataset, render: openRenderer(dataset, start.work) };
  }
  return open.render;
}

port.on('message', (message: ToWorker) => {
  if (message === null) {
    open?.dataset[Symbol.dispose]();
    port.close();
    return;
  }
  const { job, slot, task } = message;
  let answer: FromWorker = { job, error: null };
  try {
    const length = lengthOf(start.work, task);
    const target = new Float32Array(start.slots[slot]!, 0, length);
    ready()(task, target);
    // Lets the loader see the batch without a turn of its event loop.
    Atomics.store(states, slot, finished(job));
  } catch (thrown) {
    answer = { job, error: toPortable(thrown) };
  }
  port.postMessage(answer);
});
