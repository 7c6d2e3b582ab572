/** Pretraining and fine-tuning: on both backends, in both precisions, with every kind of setting; killed and gone on with. */
import { rmSync, writeFileSync } from 'node:fs';
import { differences } from './compare.ts';
import { folderOf, type FolderOptions, machineOf } from './digests.ts';
import { setAt } from './ingests.ts';
import { linesIn, type Stage } from './stage.ts';

type Settings = readonly string[];

const set = (...settings: Settings): string[] => settings.flatMap((setting) => ['--set', setting]);

/** Widths are multiples of 16, for which every build computes the same. */
const ONEDNN: Settings = ['backend=onednn', 'threads=1', 'model.width=16', 'view.size=32'];
const REFERENCE: Settings = ['backend=reference', 'threads=1', 'model.width=2', 'view.size=16'];
const SMALL: Settings = ['method.projection={hidden: 16, dim: 8}', 'batch.size=6', 'loader.workers=0'];

/** 60 steps with a held-out loss, a kNN score and kept epochs. */
const WHOLE: Settings = [
  ...[...SMALL, 'training.steps=60', 'schedule.warmupLength=2', 'checkpoint.keep=5'],
  ...['evaluation.dataset=watch', 'evaluation.every=3', 'evaluation.neighbours=3'],
];

const LONG: Readonly<Record<string, Settings>> = {
  'onednn-f32': [...WHOLE, ...ONEDNN, 'precision=f32', 'loader.workers=1'],
  'onednn-bf16': [...WHOLE, ...ONEDNN, 'precision=bf16'],
  'reference-f32': [...WHOLE, ...REFERENCE, 'precision=f32'],
  'reference-bf16': [...WHOLE, ...REFERENCE, 'precision=bf16'],
};

interface Short {
  readonly settings: Settings;
  /** Default `train`. */
  readonly dataset?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const FEW: Settings = [...SMALL, ...ONEDNN, 'precision=f32', 'training.steps=8'];

/** Short runs, each with settings of its own. */
const SHORT: Readonly<Record<string, Short>> = {
  'preset paper': { settings: FEW, args: ['--preset', 'paper'] },
  'preset reference': { settings: [...FEW, 'data.rate=0.7'], args: ['--preset', 'reference'] },
  augmented: {
    settings: [
      ...[
        ...FEW,
        'loader.workers=2',
        'training.accumulate=2',
        'training.clipNorm=5',
        'view.resize=shorter-side',
      ],
      ...['optimizer.kind=sgd', 'optimizer.nesterov=true', 'optimizer.noDecay=["*bn*", "*.bias"]'],
      ...['schedule.unit=step', 'schedule.warmup=hold', 'schedule.horizon=20'],
      ...['blur', 'rotation', 'cutout', 'outPainting', 'nonLinearIntensity', 'sharpen'].map(
        (name) => `view.augment.${name}.probability=0.5`,
      ),
      'view.augment.affine={probability: 0.5, degrees: 10, translate: [0.1, 0.1], scale: [0.9, 1.1], shear: 5}',
    ],
  },
  'resnet34 unlabelled': {
    settings: [
      ...[...FEW, 'model.backbone=resnet34', 'method.supervisedWeight=0', 'batch.lastBatch=drop'],
      ...['batch.distinctGroups=true', 'batch.size=4', 'schedule.kind=constant', 'optimizer.kind=adamw'],
    ],
  },
  'resnet50 one norm': {
    settings: [...FEW, 'model.backbone=resnet50', 'model.normPerView=false', 'data.labelRate=0.5'],
  },
  colour: { settings: [...FEW, 'batch.size=3'], dataset: setAt('flow') },
  'no mixing, on a split': {
    settings: [...FEW, 'view.spg.enabled=false', 'view.spg.windowSeconds=0.3', 'data.split=main'],
  },
  narrow: { settings: [...FEW, 'model.width=6'] },
  'older instructions': { settings: FEW, env: { ONEDNN_MAX_CPU_ISA: 'AVX2', DNNL_MAX_CPU_ISA: 'AVX2' } },
};

export async function pretrainingChapter(stage: Stage): Promise<void> {
  stage.chapter('pretraining');
  for (const [name, settings] of Object.entries(LONG)) {
    const command = ['pretrain', 'train', ...set(...settings), '--out'];
    await wholeAndKilled(stage, name, command, {
      tensors: ['checkpoints/last.safetensors', 'checkpoints/best.safetensors'],
    });
  }
  stage.machine = machineOf(stage.at('runs/onednn-f32'));
  for (const [name, { settings, dataset = 'train', args = [], env = {} }] of Object.entries(SHORT)) {
    const out = `runs/${name}`;
    stage.call(name, ['pretrain', dataset, ...args, ...set(...settings), '--out', out, '--json'], { env });
    stage.put(`${name} run`, folderOf(stage.at(out), { brief: true }));
  }
  const stopped = ['pretrain', 'train', ...set(...LONG['reference-f32']!), '--out', 'runs/stopped'];
  const isDue = (): boolean => linesIn(stage.at('runs/stopped/log.jsonl')) >= 3;
  stage.put('stopped by Ctrl-C', String(await stage.interrupted(stopped, isDue, 'SIGINT')));
  stage.call('other settings', [...stopped, '--resume', '--set', 'seed=1'], { exit: 2 });
  stage.call('not replaced', stopped, { exit: 2 });
  // What is left to do, and so to say, hangs on the moment of the signal.
  stage.put('gone on with', stage.run([...stopped, '--resume', '--set', 'loader.workers=1']).code);
  const [whole, resumed] = ['reference-f32', 'stopped'].map((name) => folderOf(stage.at(`runs/${name}`)));
  const differing = differences(whole!, resumed!).map(({ name }) => name);
  stage.put('gone on with to something else', differing);
}

/** A run left alone, and one that is killed at some moment and gone on with: their folders must hold the same. */
async function wholeAndKilled(
  stage: Stage,
  name: string,
  command: readonly string[],
  options: FolderOptions,
): Promise<void> {
  const out = `runs/${name}`;
  stage.call(name, [...command, out]);
  const whole = folderOf(stage.at(out), options);
  stage.put(`${name} run`, whole);
  const killed = `runs/killed`;
  const entries = linesIn(stage.at(out, 'log.jsonl'));
  for (let most = entries - 3; ; most = Math.floor(most / 2)) {
    const wanted = Math.floor(most * (0.2 + 0.8 * Math.random()));
    const isDue = (): boolean => linesIn(stage.at(killed, 'log.jsonl')) >= wanted;
    if ((await stage.interrupted([...command, killed], isDue)) === 'SIGKILL') break;
    if (most < 1) {
      stage.unexpected.push(`${name}: it ended before it could be killed`);
      break;
    }
    rmSync(stage.at(killed), { recursive: true });
  }
  const { code } = stage.run([...command, killed, '--resume']);
  const differing = differences(whole, folderOf(stage.at(killed), options)).map((one) => one.name);
  stage.put(`${name} killed and gone on with`, { exit: code, differing });
  if (code !== 0 || differing.length > 0) stage.unexpected.push(`${name}: gone on with to something else`);
  rmSync(stage.at(killed), { recursive: true });
}

const TUNE: Settings = [
  ...[
    'threads=1',
    'batch.size=8',
    'framesPerClip={train: 2, test: 3}',
    'loader.workers=0',
    'training.epochs=3',
  ],
  ...['saveSeconds=0', 'schedule.warmup=none'],
];
const TUNE_F32: Settings = [...TUNE, 'backend=onednn', 'precision=f32', 'folds=2', 'seeds=1'];

interface Tuning {
  readonly source: string;
  readonly args: readonly string[];
  readonly exit?: number;
}

const TUNINGS: Readonly<Record<string, Tuning>> = {
  bf16: {
    source: 'runs/onednn-bf16',
    args: [
      ...['--layers', 'all'],
      ...set(...TUNE, 'backend=onednn', 'precision=bf16', 'folds=2', 'seeds=1'),
      ...set('labelSmoothing=0.1', 'layerRates={"layer4.*": 0.1}', 'view.variants=2', 'classWeights=none'),
    ],
  },
  mixed: {
    source: 'random',
    args: [...set(...TUNE_F32, 'model.width=16', 'view.size=32', 'mixup=0.3'), '--no-final'],
  },
  patterns: {
    source: 'runs/onednn-f32/checkpoints/last.safetensors',
    args: [
      '--layers',
      'layer3.*,layer4.*',
      ...set(...TUNE_F32, 'norms=moving', 'training.clipNorm=1', 'keepModels=true'),
    ],
  },
  whole: {
    source: 'runs/onednn-f32',
    args: ['--layers', 'head', ...set(...TUNE_F32, 'view.augment=null', 'earlyStopping={patience: 1}')],
  },
  legacy: {
    source: 'runs/reference-f32',
    args: [
      ...['--preset', 'reference', '--protocol', 'legacy'],
      ...set(...TUNE, 'backend=reference', 'precision=f32', 'folds=2'),
    ],
  },
  'on a split': { source: 'runs/onednn-f32', args: ['--split', 'main', ...set(...TUNE_F32)] },
  narrow: { source: 'runs/narrow', args: ['--layers', 'all', ...set(...TUNE_F32)] },
  'two classes': { source: 'runs/onednn-f32', args: ['--classes', 'a-lines,b-lines', ...set(...TUNE_F32)] },
  'mapped classes': { source: 'runs/onednn-f32', args: ['--map', 'classes.yaml', ...set(...TUNE_F32)] },
};

export async function finetuningChapter(stage: Stage): Promise<void> {
  stage.chapter('finetuning');
  const command = [
    ...['finetune', 'runs/onednn-f32', 'tune', '--label-rate', '0.5,1'],
    ...set(...TUNE, 'backend=onednn', 'precision=f32', 'folds=2', 'seeds=2'),
    '--out',
  ];
  await wholeAndKilled(stage, 'folds', command, { tensors: ['checkpoints/best.safetensors'] });
  writeFileSync(
    stage.at('classes.yaml'),
    'classes: {a-lines: lines, b-lines: lines, consolidation: other}\n',
  );
  for (const [name, { source, args, exit = 0 }] of Object.entries(TUNINGS)) {
    const out = `runs/tuned ${name}`;
    stage.call(name, ['finetune', source, 'tune', ...args, '--out', out, '--json'], { exit });
    stage.put(`${name} run`, folderOf(stage.at(out), { brief: true }));
  }
}
