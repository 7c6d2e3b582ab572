import { expect, test } from 'vitest';
import { uscl } from '../../src/methods/uscl.ts';
import { Citations } from '../../src/report/references.ts';

test('references are numbered as they are first cited, and listed once in that order', () => {
  const citations = new Citations();
  expect(citations.cite(uscl.reference)).toBe('[1]');
  expect(citations.cite('resnet')).toBe('[2]');
  expect(citations.cite(uscl.reference)).toBe('[1]');
  const items = [
    ...citations
      .list()
      .toString()
      .matchAll(/<li>([^<]*)/g),
  ].map(([, text = '']) => text);
  expect(items).toHaveLength(2);
  expect(items[0]).toContain('Video Contrastive Representation Learning');
  expect(items[1]).toContain('Deep Residual Learning');
});
