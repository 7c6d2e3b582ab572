/**
 * The tests of the engine and of training on PyTorch's kernels, with the oldest version that is driven and with the newest that is pinned, in
 * one memory and with memory of its own. A part of `npm run test:matrix`. A version that cannot be had is said, and counted apart.
 */
import { messageOf } from '../src/base/errors.ts';
import { bringTorch, TORCH_VERSIONS } from './torch-wheels.ts';
import { runTests, type Trial } from './trial.ts';

const FOLDERS = ['engine', 'golden', 'models', 'methods', 'trainer', 'pretrain', 'finetune'].map(
  (room) => `test/${room}`,
);
/** Of Python and its PyTorch, which these libraries come without. */
const WITHOUT = 'those that ask Python’s PyTorch among the skipped ones';

/** Runs the tests on each version, and tells each result as soon as it is there. */
export async function tryTorch(root: string, tell: (trial: Trial) => void): Promise<void> {
  for (const version of TORCH_VERSIONS) {
    let folder: string;
    try {
      folder = await bringTorch(version);
    } catch (thrown) {
      tell({ name: `PyTorch ${version}`, state: 'absent', detail: messageOf(thrown) });
      continue;
    }
    for (const [memory, isSeparate] of [
      ['one memory', '0'],
      ['memory of its own', '1'],
    ] as const) {
      const env = {
        ...process.env,
        ...{ USCL_TORCH: folder, USCL_TEST_BACKEND: 'torch', USCL_SEPARATE_MEMORY: isSeparate },
      };
      tell({ name: `PyTorch ${version}, ${memory}`, ...runTests(root, FOLDERS, env, WITHOUT) });
    }
  }
}
