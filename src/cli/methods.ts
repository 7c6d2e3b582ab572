/** `uscl methods [NAME]`. */
import { Command } from 'commander';
import { z } from 'zod';
import { usageError, type UsclError } from '../base/errors.ts';
import type { Method } from '../methods/method.ts';
import { allMethods } from '../methods/registry.ts';
import { checkGradients, type GradientCheck } from '../pretrain/gradient-check.ts';
import { methodError } from '../trainer/methods/method-faults.ts';
import { methodOptions, resolveConfig } from '../runs/config.ts';
import { LINE, table, wrapped } from './columns.ts';
import { collect, withAction } from './command.ts';
import { layersOf, methodNamedOrIn, type TrainingOptions } from './training.ts';

type Given = Pick<TrainingOptions, 'preset' | 'set'>;

export function methodsCommand(): Command {
  const command = new Command('methods')
    .summary('the ways to pretrain: what each does, its options, whom to cite')
    .description(
      'Lists the methods of `uscl pretrain --method NAME`; with a NAME, all there is to know of one. A method of a FILE is ' +
        'checked too: its declaration, and its gradients against what its loss does, with the options that --preset and --set give.',
    )
    .argument('[method]', 'name of a method, or a file that defines one: its code is run')
    .option('--preset <name>', 'check gradients with the options of this preset')
    .option(
      '--set <key=value>',
      'check gradients with this option, as in method.temperature=0.1; repeatable',
      collect,
      [],
    )
    .addHelpText(
      'after',
      '\nExamples:\n  uscl methods\n  uscl methods uscl\n  uscl methods ./my-method.js\n  uscl methods ./my-method.js --set method.temperature=0.05\n' +
        '  uscl methods --json',
    );
  return withAction(command, async (output, _signal, name: string | undefined, given: Given) => {
    const layers = layersOf(given);
    const asked = given.preset !== undefined || given.set.length > 0;
    if (name === undefined) {
      if (asked)
        throw usageError(
          'METHOD_UNNAMED',
          'There is no method to check with these options.',
          'Name it, or the file that defines it: uscl methods NAME --set …',
          { where: '--set' },
        );
      const methods = allMethods();
      output.tell({ methods: methods.map(facts) }, list(methods));
      return;
    }
    const method = await methodNamedOrIn(name);
    const gradients =
      method.sha256 === undefined && !asked
        ? null
        : checkGradients(method, methodOptions(resolveConfig({ method: method.name, ...layers })));
    output.tell(
      { methods: [{ ...facts(method), ...(gradients === null ? {} : { gradients }) }] },
      [describe(method), ...(gradients === null ? [] : gradientLines(gradients, given))].join('\n'),
    );
    const wrong = gradients?.find(({ verdict }) => verdict === 'wrong');
    if (wrong !== undefined) throw wrongGradient(method, wrong);
  });
}

const FOUND: Readonly<Record<GradientCheck['verdict'], (found: GradientCheck) => string>> = {
  right: ({ moved }) => `as the loss changes, at ${moved} numbers that were moved`,
  unused: () => 'none, and the loss does not depend on it',
  stopped: ({ moved, stopped }) =>
    `none at ${stopped} of ${moved} numbers that the loss changes with: right where gradients are stopped, else forgotten`,
  wrong: () => 'wrong',
};

function gradientLines(gradients: readonly GradientCheck[], { preset, set }: Given): readonly string[] {
  const rows = gradients.map((found) => [`  ${found.output}`, FOUND[found.verdict](found)] as const);
  const options = [...(preset === undefined ? [] : [`preset ${preset}`]), ...set];
  return [
    `gradients of outputs, with ${options.length === 0 ? 'default options' : options.join(', ')}:`,
    ...table(rows),
  ];
}

/** `METHOD_GRADIENT`: a gradient is not that of the loss. */
function wrongGradient(method: Method, { output, worst }: GradientCheck): UsclError {
  const { row, feature, given, measured } = worst;
  return methodError(
    'METHOD_GRADIENT',
    method,
    `gives a gradient of "${output}" that is not that of its loss: at row ${row}, feature ${feature} it is ` +
      `${given.toPrecision(4)}, and the loss changes by ${measured.toPrecision(4)}`,
    'Mend the gradient, or the loss: docs/methods.md says what both are.',
  );
}

interface Option {
  readonly key: string;
  readonly default: unknown;
  readonly about: string;
}

function facts(method: Method): Readonly<Record<string, unknown>> {
  const { name, title, summary, reference, presets, measurements, chooses } = method;
  return {
    ...{ name, title, summary, citation: reference.text, presets: Object.keys(presets) },
    ...{ options: optionsOf(method), measurements, chooses },
  };
}

function list(methods: readonly Method[]): string {
  const rows = methods.map(({ name, title, summary }) => [name, `${title}: ${summary}`] as const);
  return [...table(rows), '', 'All there is to know of one: uscl methods NAME.'].join('\n');
}

function describe(method: Method): string {
  const { title, summary, reference, presets, measurements, chooses } = method;
  return [
    ...table([
      ['what', `${title}: ${summary}`],
      ['cite', reference.text],
      ['presets', Object.keys(presets).join(', ')],
      ['measures', ['loss', ...measurements.map(({ name }) => name)].join(', ')],
      ['best', chooses === null ? 'the last checkpoint' : `${chooses.better} held-out ${chooses.by}`],
    ]),
    'options, with defaults:',
    ...optionsOf(method).flatMap(({ key, default: value, about }) => [
      `  method.${key}=${JSON.stringify(value)}`,
      ...wrapped(about, LINE - 6).map((line) => `      ${line}`),
    ]),
  ].join('\n');
}

const schema = z.looseObject({
  description: z.string().optional(),
  get properties() {
    return z.record(z.string(), schema).optional();
  },
});

/** Every option of a method, inner ones by their path. */
export function optionsOf({ options }: Pick<Method, 'options'>): readonly Option[] {
  const leaves = (one: z.infer<typeof schema>, path: string, value: unknown): readonly Option[] =>
    one.properties === undefined
      ? [{ key: path, default: value, about: one.description ?? '' }]
      : Object.entries(one.properties).flatMap(([key, inner]) =>
          leaves(
            inner,
            path === '' ? key : `${path}.${key}`,
            (value as Readonly<Record<string, unknown>>)[key],
          ),
        );
  return leaves(schema.parse(z.toJSONSchema(options, { io: 'input' })), '', options.parse({}));
}
