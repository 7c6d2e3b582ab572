/** The environment of OpenMP's threads, which its library reads once, when it loads: later is too late. What the user set is kept. */

export function setOpenMp(threads: number): void {
  process.env['OMP_NUM_THREADS'] = String(threads);
  // Idle threads must sleep soon. One that spins uses up its share of a processor while it does nothing, and then waits
  // behind every other busy program: See docs/engine.md, "Other busy processes".
  process.env['OMP_WAIT_POLICY'] ??= 'passive';
  process.env['GOMP_SPINCOUNT'] ??= '1000';
}
