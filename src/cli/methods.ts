/** `uscl methods [NAME]`. */
import { Command } from 'commander';
import { z } from 'zod';
import type { Method } from '../methods/method.ts';
import { allMethods } from '../methods/registry.ts';
import { LINE, table, wrapped } from './columns.ts';
import { withAction } from './command.ts';
import { methodNamedOrIn } from './training.ts';

export function methodsCommand(): Command {
  const command = new Command('methods')
    .summary('the ways to pretrain: what each does, its options, whom to cite')
    .description(
      'Lists the methods of `uscl pretrain --method NAME`; with a NAME, all there is to know of one.',
    )
    .argument('[method]', 'name of a method, or a file that defines one')
    .addHelpText('after', '\nExamples:\n  uscl methods\n  uscl methods uscl\n  uscl methods --json');
  return withAction(command, async (output, _signal, name: string | undefined) => {
    const methods = name === undefined ? allMethods() : [await methodNamedOrIn(name)];
    output.tell(
      { methods: methods.map(facts) },
      name === undefined ? list(methods) : methods.map(describe).join('\n'),
    );
  });
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
