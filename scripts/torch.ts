/**
 * PyTorch's libraries for Linux on x86-64 and for processors alone, in the cache folder: those of the oldest version that is driven are where
 * the program looks last; others are named by USCL_TORCH. Wheels that are here already are taken with `--wheels`; a download that takes more
 * seconds than `--within` is given up.
 *
 *     npm run torch -- [--version 2.15.0] [--wheels FOLDER] [--within 300]
 */
import { parseArgs } from 'node:util';
import { WHEEL_VERSION } from '../src/engine/torch/native/search.ts';
import { bringTorch } from './torch-wheels.ts';

const { values: flags } = parseArgs({
  options: {
    wheels: { type: 'string' },
    version: { type: 'string', default: WHEEL_VERSION },
    within: { type: 'string' },
  },
});

try {
  const folder = await bringTorch(flags.version, {
    ...{ folder: flags.wheels, again: true },
    seconds: flags.within === undefined ? undefined : Number(flags.within),
  });
  console.log(
    `PyTorch ${flags.version} is in ${folder}. ` +
      (flags.version === WHEEL_VERSION
        ? '"npx uscl doctor" says which one is used.'
        : `USCL_TORCH=${folder} takes it.`),
  );
} catch (thrown) {
  console.error(`torch: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 5;
}
