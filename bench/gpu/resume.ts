/** A run on the device, stopped in its middle and resumed: its weights beside those of a run that was never stopped, bit by bit. */
import { join } from 'node:path';
import { pretrain, readSafetensors } from '../../src/index.ts';
import type { At } from './part.ts';

export async function resumedExactly(at: At): Promise<unknown> {
  const steps = at.rehearse ? 6 : 60;
  const [size, width] = at.rehearse ? [32, 8] : [112, 64];
  const set = [
    ...['backend=torch', `device=${at.device}`, 'seed=1', `training.steps=${steps}`, `view.size=${size}`],
    ...[`model.width=${width}`, 'batch.size=8', 'data.validation.fraction=0', 'loader.workers=1'],
  ];
  const run = async (name: string, stopAt: number | null): Promise<string> => {
    const out = join(at.scratch, name);
    const options = { dataset: join(at.scratch, 'clips'), out, config: { set } };
    if (stopAt !== null) {
      const stopping = new AbortController();
      const { step: done } = await pretrain({
        ...options,
        signal: stopping.signal,
        onEvent: (event) => {
          if (event.kind === 'step' && event.entry.step >= stopAt) stopping.abort();
        },
      });
      at.tell(`- ${name}: stopped after ${done} of ${steps} steps, then resumed`);
    }
    await pretrain({ ...options, ...(stopAt === null ? {} : { resume: true }) });
    return join(out, 'checkpoints', 'last.safetensors');
  };
  const files = [
    await run('whole', null),
    await run('again', null),
    await run('stopped', Math.floor(steps / 2)),
  ];
  const [whole, again, stopped] = files.map((file) => readSafetensors(file).tensors);
  const differing = (other: typeof whole): readonly string[] =>
    [...whole!].filter(([name, { data }]) => !sameBits(data, other!.get(name)!.data)).map(([name]) => name);
  const results = { tensors: whole!.size, again: differing(again), resumed: differing(stopped) };
  for (const [what, names] of [
    ['the same run once more', results.again],
    ['stopped and resumed', results.resumed],
  ] as const)
    at.tell(
      names.length === 0
        ? `- ${what}: all ${whole!.size} tensors have the same bits`
        : `- ${what}: ${names.length} of ${whole!.size} tensors differ (${names.slice(0, 3).join(', ')}, …)`,
    );
  return results;
}

function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  );
}
