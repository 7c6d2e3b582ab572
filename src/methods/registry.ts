/**
 * The methods that a configuration can name: those of this project, and those that a program or a command has installed.
 * A run knows its method by name only: what made it must be installed again before the run can be read.
 */
import { z } from 'zod';
import { usageError, type UsclError } from '../base/errors.ts';
import type { Method } from './method.ts';
import { fixmatch } from './fixmatch.ts';
import { moco } from './moco.ts';
import { simsiam } from './simsiam.ts';
import { uscl } from './uscl.ts';

/** Those of this project, one file each. */
const BUILT_IN: readonly Method[] = [uscl, simsiam, moco, fixmatch];

/** What a configuration that names no method means. */
export const DEFAULT_METHOD = uscl.name;

/** Keys of a step that a trainer writes itself. */
const RESERVED = new Set([
  ...['kind', 'step', 'epoch', 'time', 'loss', 'learningRate', 'gradientNorm', 'pairs', 'seconds'],
  ...['pairsPerSecond', 'dataWaitShare', 'memory', 'effectiveRank'],
]);

const methods = new Map(BUILT_IN.map((method) => [method.name, method]));

/** Every method that is installed, those of this project first. */
export function allMethods(): readonly Method[] {
  return [...methods.values()];
}

/** The method of this name. Error: `METHOD_MISSING`. */
export function methodNamed(name: string): Method {
  const method = methods.get(name);
  if (method !== undefined) return method;
  throw usageError(
    'METHOD_MISSING',
    `The pretraining method "${name}" is not installed; there are ${[...methods.keys()].join(', ')}.`,
    'Choose one of those, or name the file that defines it: --method FILE (a program calls installMethod).',
    { where: 'method.name' },
  );
}

/** The method of this name, or undefined where it is not installed. */
export function findMethod(name: string): Method | undefined {
  return methods.get(name);
}

/**
 * Makes a method from outside known by its name, in place of an earlier one from outside. `where` names it in messages,
 * `sha256` is of the file it came from. Errors: `METHOD_INVALID` for a declaration that does not hold,
 * `METHOD_NAME_TAKEN` for the name of a built-in one.
 */
export function installMethod(
  method: unknown,
  { where = 'the method', sha256 }: { readonly where?: string; readonly sha256?: string } = {},
): Method {
  const checked = methodSchema.safeParse(method);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw invalid(where, `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not a method'}`);
  }
  const declared = checked.data;
  if (methods.get(declared.name) === declared) return declared;
  if (BUILT_IN.some(({ name }) => name === declared.name))
    throw usageError(
      'METHOD_NAME_TAKEN',
      `The method of ${where} calls itself "${declared.name}", which is a method of this project.`,
      'Give it a name of its own.',
      { where },
    );
  const installed = sha256 === undefined ? declared : { ...declared, sha256 };
  methods.set(installed.name, installed);
  return installed;
}

const text = z.string().min(1);
const call = z.custom((value) => typeof value === 'function', 'must be a function');

/** The parts of a declaration that can be wrong; the value itself is passed on. */
const partsSchema = z.looseObject({
  name: text.regex(/^[a-z][a-z0-9-]*$/, 'must be small letters, digits and hyphens'),
  title: text,
  summary: text,
  reference: z.looseObject({ key: text, text }),
  options: z.custom((value) => value instanceof z.ZodObject, 'must be a z.object of this program’s own z'),
  presets: z.looseObject({ default: z.looseObject({}, 'must be a partial configuration') }),
  measurements: z.array(
    z.looseObject({
      name: text.regex(/^[a-z][A-Za-z0-9]*$/, 'must be letters and digits, the first a small letter'),
      over: z.enum(['mean', 'sum']),
      heldOut: z.boolean().optional(),
    }),
  ),
  charts: z.array(z.looseObject({ title: text, axis: text, caption: text, shows: z.array(text).min(1) })),
  chooses: z.looseObject({ by: text, better: z.enum(['lower', 'higher']) }).nullable(),
  readsLabels: call,
  open: call,
  describe: call,
});

const methodSchema = z.custom<Method>().superRefine((value, context) => {
  const parts = partsSchema.safeParse(value);
  const faults = parts.success
    ? disagreements(parts.data)
    : parts.error.issues.map(({ path, message }) => ({ path, message }));
  for (const { path, message } of faults) context.addIssue({ code: 'custom', path: [...path], message });
});

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Parts that are sound by themselves and do not fit each other. */
function disagreements({ measurements, charts, chooses }: z.infer<typeof partsSchema>): readonly Fault[] {
  const names = measurements.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  const reserved = names.find((name) => RESERVED.has(name));
  const unknown = charts.flatMap(({ shows }) => shows).find((name) => !names.includes(name));
  const heldOut = measurements.filter((one) => one.heldOut === true).map(({ name }) => name);
  return [
    ...(twice === undefined ? [] : [fault('measurements', `"${twice}" is named twice`)]),
    ...(reserved === undefined
      ? []
      : [fault('measurements', `"${reserved}" is a number that every log has; choose another name`)]),
    ...(unknown === undefined ? [] : [fault('charts', `"${unknown}" is no measurement of the method`)]),
    ...(chooses === null || chooses.by === 'loss' || heldOut.includes(chooses.by)
      ? []
      : [fault('chooses', `"${chooses.by}" is neither loss nor a measurement with heldOut`)]),
  ];
}

function fault(part: string, message: string): Fault {
  return { path: [part], message };
}

function invalid(where: string, reason: string): UsclError {
  return usageError(
    'METHOD_INVALID',
    `What ${where} defines is no pretraining method: ${reason}.`,
    'Export one as default, made by defineMethod; docs/methods.md has an example.',
    { where },
  );
}
