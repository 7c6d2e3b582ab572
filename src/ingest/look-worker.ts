/** A thread that looks for fields: one answer for each order, in order. Started by `LookThreads` only. */
import { parentPort } from 'node:worker_threads';
import { lookNow, unpackFrames } from './look.ts';
import type { LookAnswer, LookOrder } from './look-threads.ts';

const port = parentPort;
if (port === null) throw new Error('This module runs in a worker thread only.');
port.on('message', ({ look, packed }: LookOrder) => {
  let answer: LookAnswer;
  try {
    answer = { field: lookNow(look, unpackFrames(look, packed)) };
  } catch (thrown) {
    answer = { failure: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) };
  }
  port.postMessage(answer);
});
