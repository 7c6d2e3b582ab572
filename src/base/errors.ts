/**
 * The one error family. Every failure a user can cause or meet is a `UsclError`: a stable code, what is wrong
 * (with the offending value), where (file and byte, clip id, config key) and the way out. Anything else that is
 * thrown is a defect of this project and keeps its stack.
 */

/** Kind of failure; decides the exit code of the command line. */
export type ErrorKind = 'usage' | 'data' | 'numeric' | 'resource';

const EXIT_CODES: Readonly<Record<ErrorKind, number>> = { usage: 2, data: 3, numeric: 4, resource: 5 };

/** What an error is made of. */
export interface ErrorDetails {
  readonly kind: ErrorKind;
  /** Stable, upper-case, for programs: `CONFIG_UNKNOWN_KEY`. Never reworded. */
  readonly code: string;
  /** One sentence that names the offending value. */
  readonly message: string;
  /** File and byte, clip id, config key, URL-less place where it was found. */
  readonly where?: string | undefined;
  /** What the person can do about it. */
  readonly remedy: string;
  readonly cause?: unknown;
  /** What programs get beside the error with `--json`. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A failure that somebody can cause and mend: what, where, and the way out. Anything else that is thrown is
 * a defect.
 */
export class UsclError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly where: string | undefined;
  readonly remedy: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'UsclError';
    this.kind = details.kind;
    this.code = details.code;
    this.where = details.where;
    this.remedy = details.remedy;
    this.facts = details.facts ?? {};
  }

  /** 2 usage, 3 data, 4 numeric, 5 resources. */
  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }

  /** The text a person sees: what, where, way out; no stack. */
  describe(): string {
    const where = this.where === undefined ? '' : ` [${this.where}]`;
    return `${this.message}${where}\n  ${this.remedy}`;
  }
}

type More = Pick<ErrorDetails, 'where' | 'cause' | 'facts'>;

/** An error of the kind `data`: something that was read cannot be used. */
export function dataError(code: string, message: string, remedy: string, more: More = {}): UsclError {
  return new UsclError({ kind: 'data', code, message, remedy, ...more });
}

/** An error of the kind `usage`: what was asked for cannot be done. */
export function usageError(code: string, message: string, remedy: string, more: More = {}): UsclError {
  return new UsclError({ kind: 'usage', code, message, remedy, ...more });
}

/** Whether something that was read is to blame, so that the rest can go on. */
export function isDataError(thrown: unknown): thrown is UsclError {
  return thrown instanceof UsclError && thrown.kind === 'data';
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** `code` of a Node system error (`ENOENT`, `ENOSPC`, …), or undefined. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
