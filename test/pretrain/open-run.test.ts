/** A pretraining that is opened: all of it is closed again, also where opening fails midway and where closing fails. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Dataset } from '../../src/dataset/reader.ts';
import { OpenRun } from '../../src/pretrain/open-run.ts';
import { RUN_FILES } from '../../src/runs/run-folder.ts';
import { errorOf, scratchFolder, TINY, tinyDataset, tinyRun } from './support.ts';

const scratch = scratchFolder();
const dataset = await tinyDataset(join(scratch, 'clips'));

/** Lets a resource fail to close. */
function jam(resource: Disposable, message: string): void {
  vi.spyOn(resource, Symbol.dispose).mockImplementation(() => {
    throw new Error(message);
  });
}

/** Messages of an error and of all that it holds. */
function messagesOf(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(messagesOf);
  if (error instanceof Error && 'suppressed' in error && 'error' in error)
    return [...messagesOf(error.suppressed), ...messagesOf(error.error)];
  return [String(error)];
}

test('a run closes the rest where its feed, its network and its log fail to close, and tells of each', async () => {
  const out = join(scratch, 'jammed');
  const run = new OpenRun({ dataset, out, config: { set: TINY } });
  const [opened, backend, scorer] = [run.dataset, run.backend, run.scorer].map((one: Disposable) =>
    vi.spyOn(one, Symbol.dispose),
  );
  vi.spyOn(run.feed, Symbol.asyncDispose).mockRejectedValue(new Error('the feed'));
  jam(run.network, 'the network');
  jam(run.log, 'the log');
  expect(existsSync(join(out, RUN_FILES.lock))).toBe(true);
  const error: unknown = await run[Symbol.asyncDispose]().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(messagesOf(error)).toEqual(['Error: the feed', 'Error: the log', 'Error: the network']);
  for (const closing of [opened, backend, scorer]) expect(closing).toHaveBeenCalledOnce();
  expect(existsSync(join(out, RUN_FILES.lock))).toBe(false);
});

test('a run that cannot be opened to the end closes what it had opened, and ends in its own error', async () => {
  const out = join(scratch, 'damaged');
  await tinyRun(dataset, out, ['training.epochs=1']);
  const checkpoints = join(out, 'checkpoints');
  for (const name of readdirSync(checkpoints)) writeFileSync(join(checkpoints, name), 'no checkpoint');
  const closed = vi.spyOn(Dataset.prototype, Symbol.dispose);
  onTestFinished(() => {
    closed.mockRestore();
  });
  const error = await errorOf(() => new OpenRun({ dataset, out, resume: true }));
  expect(error).toMatchObject({ code: 'CHECKPOINT_DAMAGED' });
  expect(closed).toHaveBeenCalledOnce();
  expect(existsSync(join(out, RUN_FILES.lock))).toBe(false);
});
