/** `uscl demo`: what `npm start` runs. */
import { join } from 'node:path';
import { Command } from 'commander';
import { demo, DEMO_PARTS, type DemoStage, type DemoSummary } from '../demo/demo.ts';
import { probeTable } from '../probe/probe-table.ts';
import { collect, Stopped, whole, withAction } from './command.ts';
import { duration, type Progress } from './output.ts';
import { showEvent } from './pretrain.ts';

interface Options {
  readonly out: string;
  readonly clips: number;
  readonly set: readonly string[];
}

const UNITS: Readonly<Record<DemoStage, string>> = {
  simulate: 'clips',
  probe: '%',
  finetune: 'steps',
  explain: 'done',
  report: '%',
};

export function demoCommand(): Command {
  const command = new Command('demo')
    .summary('everything once, on simulated clips, in a few minutes')
    .description(
      'Simulates clips, pretrains on them, probes and fine-tunes the backbone on other simulated patients beside random ' +
        'weights, explains it on yet others, and writes one page to look at.',
    )
    .option('--out <folder>', 'folder for datasets, runs and the page', 'demo')
    .addOption(whole('--clips <number>', 'clips to train on', 48).default(160))
    .option('--set <key=value>', 'set one configuration key; repeatable', collect, [])
    .addHelpText('after', '\nExamples:\n  uscl demo\n  uscl demo --out /tmp/demo --set training.epochs=20');
  return withAction(command, async (output, signal, options: Options) => {
    // One bar at a time: a new stage ends the one before.
    let shown: { readonly stage: string; readonly progress: Progress } | undefined;
    const bar = (stage: string, unit: string): Progress => {
      if (shown?.stage !== stage) {
        shown?.progress.end();
        shown = { stage, progress: output.progress(stage, unit) };
      }
      return shown.progress;
    };
    const { out, clips, set } = options;
    const summary = await demo({
      ...{ out, clips, set, signal },
      onProgress: (stage, done, total, note) => {
        bar(stage, UNITS[stage]).update(done, total, note);
      },
      onPretrain: (event) => {
        showEvent(event, bar('pretrain', 'steps'));
      },
      onNote: (text) => {
        output.note(`note: ${text}`);
      },
    }).finally(() => {
      shown?.progress.end();
    });
    output.result(summary);
    if (summary.probe === null)
      throw new Stopped(
        `Stopped at step ${summary.run.step} of ${summary.run.steps}. Go on with: uscl pretrain ${join(out, DEMO_PARTS.train)} --out ${join(out, DEMO_PARTS.run)} --resume`,
      );
    output.print(describe(summary));
  });
}

function describe({ out, run, probe, clipAccuracy, report, seconds }: DemoSummary): string {
  if (probe === null || clipAccuracy === null || report === null) return '';
  const points = 100 * (clipAccuracy.pretrained - clipAccuracy.random);
  return [
    '',
    `Pretrained for ${run.steps} steps on simulated clips, probed on ${probe.pretrained.data.groups} simulated patients it has not seen:`,
    probeTable(probe),
    '',
    `The linear probe names the class of ${(100 * clipAccuracy.pretrained).toFixed(1)} % of the clips; on random weights ${(100 * clipAccuracy.random).toFixed(1)} % (${points.toFixed(1)} points fewer).`,
    `Done in ${duration(seconds)}. In ${out}: clips (${DEMO_PARTS.train}, ${DEMO_PARTS.test}, ${DEMO_PARTS.unseen}), runs (${DEMO_PARTS.run}, ${DEMO_PARTS.tuned}, ${DEMO_PARTS.scratch}).`,
    `Next: look at the clips with "npx uscl inspect ${join(out, DEMO_PARTS.train)}", or ingest your own with "npx uscl ingest --help".`,
    'Open this page in a browser: what was learnt, curves, map, Grad-CAM, worst mistakes.',
    report,
  ].join('\n');
}
