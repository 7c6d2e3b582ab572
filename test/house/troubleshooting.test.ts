/** docs/troubleshooting.md has every error code of the program, once, and no other; and what it points at is there. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGE = readFileSync(join(ROOT, 'docs', 'troubleshooting.md'), 'utf8');

/** Words of other programs that look like codes: environment variables, kinds of DICOM pixels, codes of Node.js. */
const OTHERS =
  /^(OMP|GOMP|GLIBC|KMP|OMPI|PMI|PMIX|SLURM|UCX|YBR|ERR|Z_BUF)_|^(LINEAR_EXACT|USCL_DNNL|USCL_MPI|USCL_NCCL|NCCL_DEBUG|CUDA_VISIBLE_DEVICES|USCL_TORCH|USCL_SEPARATE_MEMORY|CONDA_PREFIX|VIRTUAL_ENV|XDG_CACHE_HOME|DNNL_MAX_CPU_ISA|ONEDNN_MAX_CPU_ISA|DEFECT)$/;

/** Codes in a source: literals in capitals with a line between words, or in the place of a code. */
function codesIn(path: string): readonly string[] {
  const found: string[] = [];
  const source = ts.createSourceFile(
    path,
    readFileSync(join(ROOT, path), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && isCode(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isCode({ text, parent }: ts.StringLiteral): boolean {
  if (/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(text)) return !OTHERS.test(text);
  if (!/^[A-Z]{4,}$/.test(text) || OTHERS.test(text)) return false;
  const named = ts.isPropertyAssignment(parent) && parent.name.getText() === 'code';
  const raised = ts.isCallExpression(parent) && parent.expression.getText().endsWith('Error');
  return named || raised;
}

const sources = execFileSync('git', ['ls-files', 'src/*.ts'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n');
const listed = [...PAGE.matchAll(/^\| `([A-Z0-9_]+)` +\|/gm)].map(([, code]) => code!);

test('every code of the program is on the page, once, and no other', () => {
  const codes = new Set(sources.flatMap(codesIn));
  expect(codes.size).toBeGreaterThan(150);
  expect([...new Set(listed)].sort()).toEqual([...codes].sort());
  expect(listed).toHaveLength(codes.size);
});

test('pages and places that it points at are there', () => {
  for (const [, file, place] of PAGE.matchAll(/\]\(([\w-]+\.md)(?:#([\w-]+))?\)/g)) {
    const path = join(ROOT, 'docs', file!);
    expect(existsSync(path), file).toBe(true);
    if (place === undefined) continue;
    const places = [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    expect(places, `${file!}#${place}`).toContain(place);
  }
});
