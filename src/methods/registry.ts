/**
 * The methods that a configuration can name: those of this project, and those that a program or a command has installed.
 * A run knows its method by name only: what made it must be installed again before the run can be read.
 */
import { usageError } from '../base/errors.ts';
import { checkMethod } from './check.ts';
import type { Method } from './method.ts';
import { barlowTwins } from './barlow-twins.ts';
import { byol } from './byol.ts';
import { debiased } from './debiased.ts';
import { fixmatch } from './fixmatch.ts';
import { meanTeacher } from './mean-teacher.ts';
import { mixmatch } from './mixmatch.ts';
import { moco } from './moco.ts';
import { patientPositives } from './patient-positives.ts';
import { piModel } from './pi-model.ts';
import { simclr } from './simclr.ts';
import { simsiam } from './simsiam.ts';
import { supcon } from './supcon.ts';
import { supervised } from './supervised.ts';
import { temporalCoherenceMethod } from './temporal-coherence.ts';
import { uscl } from './uscl.ts';
import { vicreg } from './vicreg.ts';

/** Those of this project, one file each. */
const BUILT_IN: readonly Method[] = [
  uscl,
  simclr,
  supcon,
  debiased,
  simsiam,
  byol,
  barlowTwins,
  vicreg,
  moco,
  fixmatch,
  piModel,
  meanTeacher,
  supervised,
  patientPositives,
  mixmatch,
  temporalCoherenceMethod,
];

/** What a configuration that names no method means. */
export const DEFAULT_METHOD = uscl.name;

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
    'Choose one of those, or give the path of a file that defines it: ./FILE (a program calls installMethod).',
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
  requireMethod(method, where);
  const declared = method;
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

function requireMethod(value: unknown, where: string): asserts value is Method {
  checkMethod(value, where);
}
