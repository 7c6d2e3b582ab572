/** The protocol of `peers/protocol.py` from our side: one JSON line of what is timed, then a line for each `step N`. */
import { createInterface } from 'node:readline';

export function say(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Answers `step N` with the seconds of N steps and what those returned that returned something, until `quit`. */
export async function answerSteps(step: () => unknown): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, count] = line.split(' ');
    if (command === 'quit') break;
    const seconds: number[] = [];
    const parts: unknown[] = [];
    for (let i = 0; i < Number(count); i++) {
      const start = performance.now();
      parts.push(await step());
      seconds.push((performance.now() - start) / 1000);
    }
    const returned = parts.filter((part) => part !== undefined);
    // Node counts kilobytes here.
    say({
      seconds,
      ...(returned.length === 0 ? {} : { parts: returned }),
      peakBytes: process.resourceUsage().maxRSS * 1024,
    });
  }
}
