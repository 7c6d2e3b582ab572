/** Whether a declaration of a method holds: its parts have their forms, and fit each other. */
import { z } from 'zod';
import { usageError } from '../base/errors.ts';

/** Keys of a step that a trainer writes itself. */
const RESERVED = new Set([
  ...['kind', 'step', 'epoch', 'time', 'loss', 'learningRate', 'gradientNorm', 'pairs', 'seconds'],
  ...['pairsPerSecond', 'dataWaitShare', 'memory', 'effectiveRank'],
]);

/** Keys under `method` that a configuration writes itself. */
const TAKEN = ['name', 'sha256'];

const text = z.string().min(1);
const call = z.custom((value) => typeof value === 'function', 'must be a function');

/** The parts of a declaration that can be wrong; the value itself is passed on. */
const partsSchema = z.looseObject({
  name: text.regex(/^[a-z][a-z0-9-]*$/, 'must be small letters, digits and hyphens'),
  title: text,
  summary: text,
  reference: z.looseObject({ key: text, text }),
  options: z.custom<z.ZodObject>(
    (value) => value instanceof z.ZodObject,
    'must be a z.object of this program’s own z',
  ),
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

/** Refuses a value that is no method. Error: `METHOD_INVALID` naming the part and what is wrong with it. */
export function checkMethod(value: unknown, where: string): void {
  const parts = partsSchema.safeParse(value);
  const [fault] = parts.success
    ? disagreements(parts.data)
    : parts.error.issues.map(({ path, message }) => ({ part: path.map(String).join('.'), message }));
  if (fault === undefined) return;
  const { part, message } = fault;
  throw usageError(
    'METHOD_INVALID',
    `What ${where} defines is no pretraining method: ${part === '' ? '' : `${part}: `}${message}.`,
    'Mend that part; docs/methods.md has an example, made by defineMethod, that runs.',
    { where },
  );
}

interface Fault {
  readonly part: string;
  readonly message: string;
}

/** Parts that are sound by themselves and do not fit each other. */
function disagreements({
  options,
  measurements,
  charts,
  chooses,
}: z.infer<typeof partsSchema>): readonly Fault[] {
  const names = measurements.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  const reserved = names.find((name) => RESERVED.has(name));
  const unknown = charts.flatMap(({ shows }) => shows).find((name) => !names.includes(name));
  const heldOut = measurements.filter((one) => one.heldOut === true).map(({ name }) => name);
  const without = options.safeParse({}).error?.issues[0]?.path.map(String).join('.');
  const taken = TAKEN.find((key) => Object.hasOwn(options.shape, key));
  return [
    ...(taken === undefined
      ? []
      : [fault(`options.${taken}`, 'is a key of every configuration; choose another name')]),
    ...(without === undefined ? [] : [fault(`options.${without}`, 'must have a default')]),
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
  return { part, message };
}
