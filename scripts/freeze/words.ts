/** What the program says of itself and of mistakes: every help, the recipes, and the errors of wrong command lines. */
import type { Stage } from './stage.ts';

const COMMANDS = [
  ...['demo', 'ingest', 'recipes', 'inspect', 'merge', 'audit', 'split', 'phantom', 'pretrain', 'probe'],
  ...['finetune', 'evaluate', 'predict', 'compare-runs', 'explain', 'report', 'bench', 'doctor'],
];

const MISTAKES: readonly (readonly [exit: number, args: string])[] = [
  [2, ''],
  [2, 'nothing'],
  [2, 'pretrian'],
  [2, 'pretrain'],
  [2, 'pretrain train --out x --set view.sise=32'],
  [2, 'pretrain train --out x --set view.size=1'],
  [2, 'pretrain train --out x --preset unknown'],
  [2, 'pretrain train --out x --set batch.size'],
  [2, 'pretrain train --out x --set precision=f16 --set optimizer.kind=lion --set seed=-1'],
  [3, 'pretrain nowhere --out x'],
  [2, 'pretrain train --out x --set data.split=nothing'],
  [2, 'pretrain train --out train'],
  [2, 'finetune random train --out x --label-rate 0.5,2'],
  [2, 'finetune random train --out x --set epoch=2'],
  [3, 'finetune random train --out x --set folds=11'],
  [3, 'finetune nowhere train --out x'],
  [2, 'predict runs/folds x.mp4 --abstain 2'],
  [2, 'predict runs/folds x.mp4 --frames few'],
  [3, 'predict nowhere videos/a1.mp4'],
  [3, 'predict runs/onednn-f32 videos/a1.mp4'],
  [2, 'split train --folds 1'],
  [2, 'split train'],
  [3, 'inspect nowhere'],
  [3, 'inspect videos'],
  [2, 'merge train --out x'],
  [3, 'audit train nowhere'],
  [3, 'ingest nowhere --out x'],
  [2, 'ingest videos --out x --fps 0'],
  [2, 'ingest videos --out x --recipe unknown'],
  [3, 'ingest videos --out x --recipe busi'],
  [3, 'ingest videos --out x --labels videos/readme.txt'],
  [2, 'report nowhere --out x.html'],
  [3, 'compare-runs runs/folds nowhere'],
  [2, 'explain runs/folds new --out x --min-dist 7'],
  [2, 'phantom --out x --clips 0'],
];

export function wordChapter(stage: Stage): void {
  stage.chapter('words');
  stage.call('help', ['--help']);
  stage.call('version', ['--version']);
  for (const name of COMMANDS) stage.call(`help of ${name}`, [name, '--help'], { brief: true });
  stage.call('recipes', ['recipes'], { brief: true });
  stage.call('recipes json', ['recipes', '--json'], { depth: 2 });
  stage.call('recipe', ['recipes', 'busi']);
  for (const [exit, args] of MISTAKES)
    stage.call(`mistake: ${args}`, args === '' ? [] : args.split(' '), { exit });
  stage.call('mistake told to a program', ['inspect', 'nowhere', '--json'], { exit: 3 });
}
