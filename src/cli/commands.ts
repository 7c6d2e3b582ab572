/** Every command of the program by its name. */
import type { Command } from 'commander';

/** In the order of the help. Loaded when asked for: a program that is started for each file should start quickly. */
export const COMMANDS: Readonly<Record<string, () => Promise<() => Command>>> = {
  demo: async () => (await import('./demo.ts')).demoCommand,
  ingest: async () => (await import('./ingest.ts')).ingestCommand,
  recipes: async () => (await import('./recipes.ts')).recipesCommand,
  inspect: async () => (await import('./inspect.ts')).inspectCommand,
  merge: async () => (await import('./merge.ts')).mergeCommand,
  audit: async () => (await import('./audit.ts')).auditCommand,
  split: async () => (await import('./split.ts')).splitCommand,
  phantom: async () => (await import('./phantom.ts')).phantomCommand,
  methods: async () => (await import('./methods.ts')).methodsCommand,
  pretrain: async () => (await import('./pretrain.ts')).pretrainCommand,
  probe: async () => (await import('./probe.ts')).probeCommand,
  embed: async () => (await import('./embed.ts')).embedCommand,
  finetune: async () => (await import('./finetune.ts')).finetuneCommand,
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand,
  predict: async () => (await import('./predict.ts')).predictCommand,
  'compare-runs': async () => (await import('./compare-runs.ts')).compareRunsCommand,
  explain: async () => (await import('./explain.ts')).explainCommand,
  report: async () => (await import('./report.ts')).reportCommand,
  import: async () => (await import('./import.ts')).importCommand,
  export: async () => (await import('./export.ts')).exportCommand,
  study: async () => (await import('./study.ts')).studyCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
};
