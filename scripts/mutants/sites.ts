/**
 * Where a source can be changed so that a test should notice, and how: from text to candidate mutants. Types, imports
 * and the words of errors are passed over; nothing is drawn and nothing is run here.
 */
import ts from 'typescript';

export type MutantKind =
  | 'arithmetic'
  | 'comparison'
  | 'boundary'
  | 'boolean'
  | 'constant'
  | 'statement'
  | 'arguments'
  | 'condition'
  | 'return';

/** One change of one file. `start` and `end` are offsets into its text. */
export interface Site {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly kind: MutantKind;
  readonly start: number;
  readonly end: number;
  /** `statement`: the statement may be left out. `entry`: `after` goes before it. `expression`: `after` replaces it. */
  readonly form: 'expression' | 'statement' | 'entry';
  readonly before: string;
  readonly after: string;
  /** The same whatever lines are added elsewhere in the file. */
  readonly key: string;
}

const SWAPS: Readonly<Partial<Record<ts.SyntaxKind, readonly (readonly [MutantKind, string])[]>>> = {
  [ts.SyntaxKind.PlusToken]: [['arithmetic', '-']],
  [ts.SyntaxKind.MinusToken]: [['arithmetic', '+']],
  [ts.SyntaxKind.AsteriskToken]: [['arithmetic', '/']],
  [ts.SyntaxKind.SlashToken]: [['arithmetic', '*']],
  [ts.SyntaxKind.PercentToken]: [['arithmetic', '*']],
  [ts.SyntaxKind.AsteriskAsteriskToken]: [['arithmetic', '*']],
  [ts.SyntaxKind.PlusEqualsToken]: [['arithmetic', '-=']],
  [ts.SyntaxKind.MinusEqualsToken]: [['arithmetic', '+=']],
  [ts.SyntaxKind.AsteriskEqualsToken]: [['arithmetic', '/=']],
  [ts.SyntaxKind.SlashEqualsToken]: [['arithmetic', '*=']],
  [ts.SyntaxKind.LessThanToken]: [
    ['boundary', '<='],
    ['comparison', '>='],
  ],
  [ts.SyntaxKind.LessThanEqualsToken]: [
    ['boundary', '<'],
    ['comparison', '>'],
  ],
  [ts.SyntaxKind.GreaterThanToken]: [
    ['boundary', '>='],
    ['comparison', '<='],
  ],
  [ts.SyntaxKind.GreaterThanEqualsToken]: [
    ['boundary', '>'],
    ['comparison', '<'],
  ],
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: [['comparison', '!==']],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: [['comparison', '===']],
  [ts.SyntaxKind.AmpersandAmpersandToken]: [['boolean', '||']],
  [ts.SyntaxKind.BarBarToken]: [['boolean', '&&']],
};

/** All candidate mutants of a source, in order of their place. */
export function sitesOf(file: string, text: string): readonly Site[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const lines = text.split('\n');
  const seen = new Map<string, number>();
  const sites: Site[] = [];
  const add = (node: ts.Node, kind: MutantKind, after: string, form: Site['form'] = 'expression'): void => {
    const start = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(start).line;
    const before = form === 'entry' ? '' : node.getText(source);
    const address = [file, kind, (lines[line] ?? '').trim(), before, after].join(' | ');
    const count = seen.get(address) ?? 0;
    seen.set(address, count + 1);
    const key = `${address} | ${count}`;
    sites.push({ file, line: line + 1, kind, start, end: node.getEnd(), form, before, after, key });
  };
  const visit = (node: ts.Node): void => {
    if (isPassedOver(node)) return;
    mutate(node, source, add);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return sites;
}

/** Types, names of modules, and what only makes the words of an error. */
function isPassedOver(node: ts.Node): boolean {
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return true;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isThrowStatement(node)) return true;
  return (ts.isNewExpression(node) || ts.isCallExpression(node)) && /error$/i.test(node.expression.getText());
}

type Add = (node: ts.Node, kind: MutantKind, after: string, form?: Site['form']) => void;

function mutate(node: ts.Node, source: ts.SourceFile, add: Add): void {
  const text = (part: ts.Node): string => part.getText(source);
  if (ts.isBinaryExpression(node)) {
    if ([node.left, node.right].some(isText)) return;
    for (const [kind, operator] of SWAPS[node.operatorToken.kind] ?? [])
      add(node, kind, `${text(node.left)} ${operator} ${text(node.right)}`);
  } else if (ts.isPrefixUnaryExpression(node)) {
    if (node.operator === ts.SyntaxKind.ExclamationToken) add(node, 'boolean', text(node.operand));
    if (node.operator === ts.SyntaxKind.MinusToken) add(node, 'arithmetic', `+${text(node.operand)}`);
  } else if (ts.isPostfixUnaryExpression(node)) {
    const operator = node.operator === ts.SyntaxKind.PlusPlusToken ? '--' : '++';
    add(node, 'arithmetic', `${text(node.operand)}${operator}`);
  } else if (ts.isNumericLiteral(node)) {
    if (isName(node)) return;
    add(node, 'constant', text(node) === '0' ? '1' : `(${text(node)} + 1)`);
    if (text(node) !== '0') add(node, 'constant', '0');
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, 'boolean', 'false');
  else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, 'boolean', 'true');
  else if (ts.isIfStatement(node)) bothWays(node.expression, add);
  else if (ts.isConditionalExpression(node)) bothWays(node.condition, add);
  else if (ts.isWhileStatement(node)) add(node.expression, 'condition', 'false');
  else if (ts.isCallExpression(node)) swappedArguments(node, source, add);
  else if (ts.isExpressionStatement(node)) {
    const { expression } = node;
    const superCall =
      ts.isCallExpression(expression) && expression.expression.kind === ts.SyntaxKind.SuperKeyword;
    if (!superCall) add(node, 'statement', '', 'statement');
  } else if (ts.isContinueStatement(node) || (ts.isBreakStatement(node) && !ts.isCaseClause(node.parent)))
    add(node, 'statement', '', 'statement');
  else if (ts.isBlock(node) && isVoidBody(node)) {
    const first = node.statements[0];
    if (first !== undefined && node.statements.length > 1) add(first, 'return', 'return;', 'entry');
  }
}

function bothWays(condition: ts.Expression, add: Add): void {
  add(condition, 'condition', 'true');
  add(condition, 'condition', 'false');
}

/** Neighbouring arguments that differ, one pair at a time. */
function swappedArguments(node: ts.CallExpression, source: ts.SourceFile, add: Add): void {
  if ((node.flags & ts.NodeFlags.OptionalChain) !== 0 || node.expression.kind === ts.SyntaxKind.SuperKeyword)
    return;
  const whole = node.getText(source);
  const from = node.getStart(source);
  node.arguments.forEach((second, i) => {
    const first = node.arguments[i - 1];
    if (first === undefined || ts.isSpreadElement(first) || ts.isSpreadElement(second)) return;
    // Functions are told apart from data by their callers at once: such a swap says nothing of a test.
    if ([first, second].some((one) => ts.isArrowFunction(one) || ts.isFunctionExpression(one))) return;
    const [a, b] = [first.getText(source), second.getText(source)];
    if (a === b) return;
    const head = whole.slice(0, first.getStart(source) - from);
    const between = whole.slice(first.getEnd() - from, second.getStart(source) - from);
    add(node, 'arguments', head + b + between + a + whole.slice(second.getEnd() - from));
  });
}

/** Text that + joins is no sum. */
function isText(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

function isName(node: ts.NumericLiteral): boolean {
  const { parent } = node;
  return (ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent)) && parent.name === node;
}

/** The body of a function that gives nothing back. */
function isVoidBody(block: ts.Block): boolean {
  const { parent } = block;
  if (!ts.isFunctionLike(parent) || ts.isConstructorDeclaration(parent)) return false;
  let gives = false;
  const look = (node: ts.Node): void => {
    if (ts.isReturnStatement(node) && node.expression !== undefined) gives = true;
    if (ts.isThrowStatement(node) && node.parent === block) gives = true;
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, look);
  };
  block.statements.forEach(look);
  return !gives;
}
