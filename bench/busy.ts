/**
 * What a step keeps of its speed beside another busy process: every program in turn alone and beside one that spins,
 * round by round, so that drift of the machine hits all alike.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Contestant, overRounds, type Ratio } from './contestants.ts';

export interface Kept {
  readonly name: string;
  /** Seconds of a step alone / beside the busy process. */
  readonly kept: Ratio;
  readonly about: unknown;
  /** Seconds of every step, round by round: alone, busy, alone, busy, … */
  readonly seconds: readonly (readonly number[])[];
}

/** Steps of a turn. */
const STEPS = 4;

export async function besideBusy(
  programs: readonly (readonly [name: string, command: string, args: readonly string[]])[],
  rounds: number,
): Promise<readonly Kept[]> {
  const contestants: Contestant[] = [];
  for (const [name, command, args] of programs)
    contestants.push(await Contestant.start(name, STEPS, command, args));
  for (let round = 0; round < rounds; round++)
    for (const contestant of contestants) {
      await contestant.turn();
      const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
      try {
        await contestant.turn();
      } finally {
        busy.kill('SIGKILL');
        await once(busy, 'exit');
      }
      const [alone, beside] = [contestant.seconds(2 * round), contestant.seconds(2 * round + 1)];
      console.error(
        `round ${round + 1}/${rounds}: ${contestant.version()}, ${contestant.name}: ${alone.toFixed(3)} s alone, ${beside.toFixed(3)} s beside a busy process`,
      );
    }
  for (const contestant of contestants) contestant.stop();
  return contestants.map((contestant) => ({
    name: `${contestant.version()}, ${contestant.name}`,
    kept: overRounds(rounds, (round) => contestant.seconds(2 * round) / contestant.seconds(2 * round + 1)),
    about: contestant.about,
    seconds: contestant.rounds,
  }));
}
