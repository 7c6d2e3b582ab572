/** A thread of `fold-pool.ts`: answers one fold after another, until it is ended. */
import { parentPort, workerData } from 'node:worker_threads';
import { answerFold, type FoldJob, type FoldStart } from './fold-pool.ts';

/** The pool is the only one who starts this file, with these data. */
const { features, readers, ...rest } = workerData as FoldStart;
const port = parentPort;
if (port === null) throw new Error('This module runs in a worker thread only.');

const work = { ...rest, features: new Float32Array(features) };

port.on('message', (job: FoldJob) => {
  port.postMessage(answerFold(work, job, readers));
});
