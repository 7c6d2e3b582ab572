/**
 * A way out that an error names exists: commands, options of commands, configuration keys, documents. What can be told from
 * the text alone is checked: an option after `uscl COMMAND` is one of that command, any other is one of some command.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';
import { keyPaths } from '../../src/runs/config-errors.ts';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { resolveConfig } from '../../src/runs/config.ts';

const root = join(import.meta.dirname, '..', '..');

interface Said {
  readonly file: string;
  readonly text: string;
}

/** Text of every string in the value of a property `remedy` and in a remedy that is handed to a function. */
function remediesOf(file: string): Said[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const found: Said[] = [];
  const textOf = (node: ts.Node): string => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
    if (ts.isTemplateExpression(node))
      return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
    if (ts.isBinaryExpression(node)) return textOf(node.left) + textOf(node.right);
    if (ts.isConditionalExpression(node)) return `${textOf(node.whenTrue)} ${textOf(node.whenFalse)}`;
    if (ts.isParenthesizedExpression(node)) return textOf(node.expression);
    return '';
  };
  const visit = (node: ts.Node): void => {
    const isRemedy = ts.isPropertyAssignment(node) && node.name.getText() === 'remedy';
    if (isRemedy) found.push({ file, text: textOf(node.initializer) });
    if (ts.isCallExpression(node) && /Error$|^(?:invalid|tooFew|refus|poor)/.test(node.expression.getText()))
      for (const argument of node.arguments) found.push({ file, text: textOf(argument) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found.filter(({ text }) => text !== '');
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name));
const said = files.flatMap(remediesOf);
const options = new Map<string, ReadonlySet<string>>();

beforeAll(async () => {
  for (const name of readdirSync(join(root, 'src', 'cli')).filter((file) => file.endsWith('.ts'))) {
    // The program itself parses the command line that it is loaded with.
    if (name === 'main.ts') continue;
    const loaded = (await import(`../../src/cli/${name.slice(0, -'.ts'.length)}.ts`)) as Readonly<
      Record<string, unknown>
    >;
    for (const [exported, make] of Object.entries(loaded)) {
      if (!exported.endsWith('Command') || typeof make !== 'function' || make.length > 0) continue;
      const command: unknown = (make as () => unknown)();
      if (!(command instanceof Command)) continue;
      const longs = command.options.flatMap(({ long }) => (long === undefined ? [] : [long]));
      options.set(command.name(), new Set([...longs, '--help']));
    }
  }
});

test('errors have remedies, and commands have options', () => {
  expect(said.length).toBeGreaterThan(150);
  expect(options.size).toBeGreaterThan(15);
  expect(options.get('finetune')).toContain('--map');
});

test('every command that a remedy names is one', () => {
  const wrong = said.flatMap(({ file, text }) =>
    [...text.matchAll(/\buscl ([a-z][a-z-]+)/g)]
      .filter(([, name = '']) => !options.has(name))
      .map(([named]) => `${file}: ${named}`),
  );
  expect(wrong).toEqual([]);
});

test('every option that a remedy names is one of its command, or of some command', () => {
  const all = new Set([...options.values()].flatMap((longs) => [...longs]));
  const wrong = said.flatMap(({ file, text }) =>
    // A sentence at a time: what stands behind a command belongs to it until another is named, a bracket closes, or the
    // command that failed is spoken of again.
    text.split(/(?<=[.;!?)])\s/).flatMap((sentence) => {
      const parts = sentence.split(/(?=\buscl [a-z])|\)|, or say /);
      return parts.flatMap((part) => {
        const own = options.get(/^uscl ([a-z-]+)/.exec(part)?.[1] ?? '');
        return [...part.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)]
          .filter(([option]) => !(own ?? all).has(option))
          .map(([option]) => `${file}: ${option} in “${part.trim()}”`);
      });
    }),
  );
  expect(wrong).toEqual([]);
});

const keys = new Set([...keyPaths({ ...resolveConfig({}) }), ...keyPaths({ ...resolveFinetune({}) })]);

test('every key that a remedy sets with --set is one of pretraining, fine-tuning or the benchmark', () => {
  const wrong = said.flatMap(({ file, text }) =>
    [...text.matchAll(/--set '?([a-z][\w.]*)=/gi)]
      .filter(([, key = '']) => !keys.has(key))
      .map(([setting]) => `${file}: ${setting}`),
  );
  expect(wrong).toEqual([]);
});

test('every key within a section that a remedy names is one', () => {
  const sections = new Set([...keys].filter((key) => key.includes('.')).map((key) => key.split('.')[0]));
  // What has a bracket behind it is a function of a batch.
  const within = new RegExp(`(?<![\\w.])(?:${[...sections].join('|')})(?:\\.[a-z]\\w*)+(?![\\w(])`, 'gi');
  const wrong = said.flatMap(({ file, text }) =>
    [...text.matchAll(within)].filter(([key]) => !keys.has(key)).map(([key]) => `${file}: ${key}`),
  );
  expect(wrong).toEqual([]);
});

test('every document that a remedy names is there', () => {
  const wrong = said.flatMap(({ file, text }) =>
    [...text.matchAll(/\bdocs\/[\w/-]+\.md/g)]
      .filter(([path]) => !existsSync(join(root, path)))
      .map(([path]) => `${file}: ${path}`),
  );
  expect(wrong).toEqual([]);
});
