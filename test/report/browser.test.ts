/**
 * The page as a browser lays it out: nothing runs off the side, all text can be read, tables scroll in their own box, and
 * nothing is asked of the network. Skips where there is no Chromium.
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contrast } from '../../src/charts/palette.ts';
import { writeReport } from '../../src/report/report.ts';
import { CHROMIUM, inChromium, openChromium } from '../chromium.ts';
import { fixtureDataset, fixtureFinetune, fixturePretrain, HOSTILE, scratchFolder } from './fixture.ts';

describe.skipIf(CHROMIUM === null)(inChromium('the page in a browser'), () => {
  const scratch = scratchFolder();
  const at = (file: string): string => join(scratch, file);
  let browser: Browser;

  beforeAll(async () => {
    await fixtureDataset(at('data'), { classes: ['normal', 'b-lines', 'a class with a rather long name'] });
    await fixtureFinetune(at('first'), at('data'), { explained: true, leaks: [HOSTILE] });
    await fixtureFinetune(at('second'), at('data'), { skill: 0.2 });
    fixturePretrain(at('pretrained'), at('data'));
    await writeReport([at('first')], at('one.html'), { datasets: [at('data')] });
    await writeReport([at('first'), at('second'), at('pretrained')], at('many.html'));
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser.close();
  });

  async function open(file: string, width: number, colorScheme: 'light' | 'dark'): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url().slice(0, 11)));
    const errors: string[] = [];
    page.on('console', (message) => errors.push(message.text()));
    page.on('dialog', () => errors.push('a dialog'));
    await page.goto(`file://${at(file)}`);
    expect(asked.filter((address) => !/^(file:|data:image)/.test(address))).toEqual([]);
    expect(errors).toEqual([]);
    return page;
  }

  const LAYOUTS = (['one.html', 'many.html'] as const).flatMap((file) =>
    [360, 1280].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ file, width, scheme }))),
  );

  test.each(LAYOUTS)(
    '$file fits $width px, $scheme, with every detail open',
    async ({ file, width, scheme }) => {
      const page = await open(file, width, scheme);
      await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      // What is wider than the screen must lie in a box that scrolls.
      const lost = await page.evaluate(`[...document.querySelectorAll('body *')]
      .filter((one) => one.closest('.scroll, pre') === null && one.closest('svg') === null)
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => one.tagName + ' ' + one.textContent.slice(0, 40))`);
      expect(lost).toEqual([]);
      await page.close();
    },
  );

  test.each(LAYOUTS)('$file has contrast at $width px, $scheme', async ({ file, width, scheme }) => {
    const page = await open(file, width, scheme);
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
    const found = await page.evaluate<[string, string, string][]>(`(() => {
      const hex = (colour) => {
        const parts = colour.match(/[\\d.]+/g).map(Number);
        return parts.length === 4 && parts[3] < 1 ? null
          : '#' + parts.slice(0, 3).map((one) => Math.round(one).toString(16).padStart(2, '0')).join('');
      };
      const behind = (one) => {
        for (let at = one; at !== null; at = at.parentElement) {
          const colour = hex(getComputedStyle(at).backgroundColor);
          if (colour !== null) return colour;
        }
        return '#ffffff';
      };
      const cases = new Map();
      for (const one of document.querySelectorAll('body *')) {
        const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
        if (!own) continue;
        const svg = one.closest('svg') !== null;
        if (svg && one.tagName !== 'text') continue;
        const cell = svg && one.previousElementSibling?.tagName === 'rect' && /\\bi\\d/.test(one.className.baseVal);
        const ink = hex(svg ? getComputedStyle(one).fill : getComputedStyle(one).color);
        const paper = cell ? hex(getComputedStyle(one.previousElementSibling).fill) : behind(one);
        cases.set(ink + ' ' + paper, [ink, paper, one.textContent.trim().slice(0, 30)]);
      }
      return [...cases.values()];
    })()`);
    expect(found.length).toBeGreaterThan(5);
    for (const [ink, paper, text] of found)
      expect(contrast(ink, paper), `${text}: ${ink} on ${paper}`).toBeGreaterThanOrEqual(4.5);
    await page.close();
  });

  test('letters of charts are no smaller than 9 px on a phone', async () => {
    const page = await open('one.html', 360, 'light');
    const sizes = await page.evaluate<number[]>(
      `[...document.querySelectorAll('figure > svg')].map((svg) => 12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)`,
    );
    expect(sizes.length).toBeGreaterThan(5);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(9);
    await page.close();
  });

  test('prints on light paper without navigation, details opened', async () => {
    const page = await open('one.html', 1280, 'dark');
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(253, 253, 251)');
    expect(await page.evaluate("getComputedStyle(document.querySelector('nav')).display")).toBe('none');
    expect(
      await page.evaluate("document.querySelector('details pre').getBoundingClientRect().height"),
    ).toBeGreaterThan(100);
    expect((await page.pdf({ format: 'A4' })).byteLength).toBeGreaterThan(10_000);
    await page.close();
  });
});
