/** Resources that are closed together: in which order, and what becomes of the rest where one fails to close. */
import { describe, expect, test } from 'vitest';
import { Resources } from '../../src/base/resources.ts';

/** Resources by name, which note that they were closed and fail where they are told to. */
function opened(names: readonly string[], failing: readonly string[] = []) {
  const closed: string[] = [];
  const resources = new Resources();
  const close = (name: string): void => {
    closed.push(name);
    if (failing.includes(name)) throw new Error(`${name} is stuck`);
  };
  for (const name of names)
    resources.use({
      [Symbol.dispose]() {
        close(name);
      },
    });
  return { resources, closed, close };
}

const errorOfClosing = (resources: Disposable): unknown => {
  try {
    resources[Symbol.dispose]();
  } catch (thrown) {
    return thrown;
  }
  return null;
};

describe('resources', () => {
  test('are closed once, the last one first, deferred work in its place', () => {
    const { resources, closed, close } = opened(['file', 'network']);
    resources.defer(() => {
      close('lock');
    });
    resources[Symbol.dispose]();
    resources[Symbol.dispose]();
    expect(closed).toEqual(['lock', 'network', 'file']);
  });

  test('are all closed where one fails to close, and its own error is thrown', () => {
    const { resources, closed } = opened(['file', 'network', 'lock'], ['network']);
    expect(errorOfClosing(resources)).toEqual(new Error('network is stuck'));
    expect(closed).toEqual(['lock', 'network', 'file']);
  });

  test('are all closed where several fail to close, and every error is told', () => {
    const { resources, closed } = opened(['file', 'network', 'lock'], ['file', 'lock']);
    const error = errorOfClosing(resources) as AggregateError;
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors).toEqual([new Error('lock is stuck'), new Error('file is stuck')]);
    expect(error.message).toBe('Not closed: lock is stuck; file is stuck');
    expect(closed).toEqual(['lock', 'network', 'file']);
  });

  test('are handed to another owner whole: the first one has nothing left to close', () => {
    const { resources, closed } = opened(['file', 'network']);
    const owner = resources.move();
    resources[Symbol.dispose]();
    expect(closed).toEqual([]);
    owner[Symbol.dispose]();
    expect(closed).toEqual(['network', 'file']);
  });

  test('that are taken over are returned', () => {
    const file = { [Symbol.dispose]: () => undefined, path: 'clips' };
    expect(new Resources().use(file)).toBe(file);
  });
});
