/**
 * The page in the hands of people: by mouse, touch and keyboard, on a phone, with a screen reader, with files that are broken, and
 * with a folder that is. Nothing leaves the page. Skips where there is no Chromium.
 */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import axe from 'axe-core';
import type { Browser, FileChooser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { predictFiles } from '../../../src/predict/predict.ts';
import { exportPage } from '../../../src/weights/web/export-page.ts';
import { CHROMIUM, inChromium, openChromium } from '../../chromium.ts';
import { compileProgram } from '../../cli/run.ts';
import { writeModel } from '../../finetune/finetuned.ts';
import { scratchFolder } from '../../pretrain/support.ts';
import {
  CLASSES,
  farthest,
  openPage,
  saved,
  serve,
  settled,
  simulated,
  writeBroken,
  writePng,
  writeVideo,
} from './support.ts';

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

describe.skipIf(CHROMIUM === null)(inChromium('the page in use'), { timeout: 120_000 }, () => {
  const scratch = scratchFolder();
  const at = (...names: string[]): string => join(scratch, ...names);
  let browser: Browser;
  let server: Server;
  let address = '';
  let requests: readonly string[] = [];
  let model = '';
  let still = '';
  let clip = '';
  let broken: Awaited<ReturnType<typeof writeBroken>> = [];

  beforeAll(async () => {
    compileProgram();
    const ingest = { fps: 5, size: 96, channels: 1, crop: 'none' } as const;
    const clips = await simulated(scratch, 96, 20);
    const frames = clips[0]!;
    const seen = clips.map(([first]) => first!);
    model = writeModel(scratch, {
      classes: CLASSES,
      view: { size: 64 },
      width: 8,
      sharpness: 2,
      frames: seen,
      ingest,
    });
    await exportPage(model, at('page'));
    still = await writePng(at('still.png'), frames[0]!, 96);
    clip = writeVideo(at('clip.webm'), frames, 96, ['-c:v', 'libvpx-vp9', '-lossless', '1']);
    broken = await writeBroken(scratch);
    for (const name of ['lacking', 'cut', 'mixed', 'other'])
      cpSync(at('page'), at(name), { recursive: true });
    rmSync(at('lacking', 'parts', 'runtime-2.js'));
    const piece = 'parts/model-1.js';
    truncateSync(at('cut', piece), 1000);
    // One letter of the text is another one, and a model that is none.
    const text = readFileSync(at('page', piece), 'utf8');
    const letter = text[5000] === 'A' ? 'B' : 'A';
    writeFileSync(at('mixed', piece), `${text.slice(0, 5000)}${letter}${text.slice(5001)}`);
    const [, base64 = ''] = /,"(.*)"/.exec(text)!;
    const nothing = gzipSync(Buffer.alloc(gunzipSync(Buffer.from(base64, 'base64')).length, 7));
    writeFileSync(at('other', piece), `usclPiece("model",1,"${nothing.toString('base64')}");\n`);
    const names = ['page', 'lacking', 'cut', 'mixed', 'other'];
    ({ server, address, requests } = await serve(Object.fromEntries(names.map((name) => [name, at(name)]))));
    browser = await openChromium();
  }, 300_000);
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  const open = async (options?: Parameters<Browser['newPage']>[0]): ReturnType<typeof openPage> =>
    await openPage(browser, `${address}/page/index.html`, options);

  /** What is wrong for people who see, hear or move otherwise. */
  async function violationsOf(page: Page): Promise<readonly string[]> {
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<{ violations: readonly Violation[] }>(
      "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
    );
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  }

  test('asks nothing but its own folder, before and after files are classified', async () => {
    const { page, asked, complaints } = await open();
    expect(asked.every((url) => url.startsWith(`${address}/page/`))).toBe(true);
    expect(asked.length).toBeGreaterThan(5);
    const before = { asked: asked.length, requests: requests.length };
    await page.setInputFiles('#files', [still, clip]);
    await settled(page, 2);
    await saved(page);
    expect({ asked: asked.length, requests: requests.length }).toEqual(before);
    expect(complaints).toEqual([]);
    // The policy holds for whatever script would try.
    const outcomes = await page.evaluate<string[]>(`Promise.all([
      fetch('${address}/page/index.html').then(() => 'sent', () => 'refused'),
      new Promise((resolve) => {
        const picture = new Image();
        picture.onload = () => resolve('sent');
        picture.onerror = () => resolve('refused');
        picture.src = '${address}/page/index.html?picture';
      }),
    ])`);
    expect(outcomes).toEqual(['refused', 'refused']);
    expect(requests.length).toBe(before.requests);
    await page.close();
  });

  test('takes files that are dropped anywhere on it', async () => {
    const { page } = await open();
    const data = await page.evaluateHandle<unknown>(`(() => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob('${readFileSync(still).toString('base64')}'), (one) => one.charCodeAt(0));
      data.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
      return data;
    })()`);
    await page.dispatchEvent('h1', 'dragover', { dataTransfer: data });
    expect(await page.getAttribute('body', 'class')).toBe('dragging');
    await page.dispatchEvent('h1', 'drop', { dataTransfer: data });
    await settled(page, 1);
    expect(await page.textContent('.clip h3')).toBe('dropped.png');
    expect(await page.getAttribute('body', 'class')).toBe('');
    expect(await page.locator('#status').textContent()).toMatch(/^dropped\.png: .*\d\s%.*, 1 frame\.$/);
    await page.close();
  });

  test('is used by the keyboard alone, and shows where it is', async () => {
    const { page } = await open();
    const focused = async (): Promise<string> =>
      await page.evaluate<string>(
        'document.activeElement.id || document.activeElement.name || document.activeElement.textContent',
      );
    const outlined = async (selector: string): Promise<string> =>
      await page.evaluate<string>(`getComputedStyle(document.querySelector('${selector}')).outlineStyle`);
    const choosing = new Promise<FileChooser>((resolve) => page.once('filechooser', resolve));
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('files');
    expect(await outlined('.press')).toBe('solid');
    await page.keyboard.press('Enter');
    await (await choosing).setFiles([still, clip]);
    await settled(page, 2);
    const whole = await page.locator('.clip').first().locator('.bars .number').allTextContents();
    for (const name of ['most', 'save', 'left', 'top', 'width']) {
      await page.keyboard.press('Tab');
      expect(await focused()).toBe(name);
      expect(await outlined(':focus')).toBe('solid');
    }
    await page.keyboard.press('Control+A');
    await page.keyboard.type('48');
    await page.keyboard.press('Tab');
    await page.locator('.clip').first().and(page.locator('[data-state=done]')).waitFor();
    await expect
      .poll(() => page.locator('.clip').first().locator('.bars .number').allTextContents())
      .not.toEqual(whole);
    for (const name of ['Whole frame', 'Use for all files', 'Remove still.png', 'The frame in numbers']) {
      await page.keyboard.press('Tab');
      expect(await focused()).toBe(name);
    }
    await page.keyboard.press('Enter');
    expect(await page.locator('.frames tbody tr').first().isVisible()).toBe(true);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    expect(await page.locator('.clip').count()).toBe(1);
    expect(await focused()).toBe('Remove clip.webm');
    expect(await page.locator('#status').textContent()).toBe('still.png is removed.');
    await page.close();
  });

  /** What predict says of a part of the still. */
  async function predicted(
    left: number,
    top: number,
    width: number,
    height: number,
  ): Promise<readonly number[]> {
    const file = at(`part-${left}-${top}-${width}-${height}.png`);
    await sharp(still).extract({ left, top, width, height }).toColourspace('b-w').png().toFile(file);
    const { clips } = await predictFiles(model, [file], { backend: 'onednn', precision: 'f32' });
    return clips[0]!.mean.probabilities;
  }

  /** The crop of the first clip, in its inputs. */
  async function cropOf(page: Page): Promise<[number, number, number, number]> {
    const values = await page.evaluate<[number, number, number, number]>(
      "[...document.querySelectorAll('.controls input')].slice(0, 4).map((one) => Number(one.value))",
    );
    return values;
  }

  test('classifies what a mouse or a finger leaves in the crop', async () => {
    const { page } = await open({ hasTouch: true });
    await page.setInputFiles('#files', [still]);
    await settled(page, 1);
    expect(await cropOf(page)).toEqual([0, 0, 96, 96]);
    await page.locator('.clip').scrollIntoViewIfNeeded();
    const box = (await page.locator('.picture').boundingBox())!;
    const [x, y] = [
      (share: number) => box.x + share * box.width,
      (share: number) => box.y + share * box.height,
    ];
    await page.mouse.move(x(0) + 4, y(0) + 4);
    await page.mouse.down();
    await page.mouse.move(x(0.1), y(0.2), { steps: 3 });
    await page.mouse.move(x(0.25) + 4, y(0.125) + 4);
    await page.mouse.up();
    await settled(page, 1);
    expect(await cropOf(page)).toEqual([24, 12, 72, 84]);
    const [row] = await saved(page);
    expect(farthest(row!.probabilities, await predicted(24, 12, 72, 84))).toBeLessThan(1e-4);
    const touch = await page.context().newCDPSession(page);
    const finger = async (type: string, ...points: { x: number; y: number }[]): Promise<void> => {
      await touch.send('Input.dispatchTouchEvent', { type: type as 'touchStart', touchPoints: points });
    };
    await finger('touchStart', { x: x(1) - 5, y: y(1) - 5 });
    await finger('touchMove', { x: x(0.75) - 5, y: y(0.875) - 5 });
    await finger('touchEnd');
    await settled(page, 1);
    expect(await cropOf(page)).toEqual([24, 12, 48, 72]);
    // Its inside moves it, and not out of the frame.
    await page.mouse.move(x(0.5), y(0.5));
    await page.mouse.down();
    await page.mouse.move(x(0), y(2));
    await page.mouse.up();
    await settled(page, 1);
    expect(await cropOf(page)).toEqual([0, 24, 48, 72]);
    const [moved] = await saved(page);
    expect(farthest(moved!.probabilities, await predicted(0, 24, 48, 72))).toBeLessThan(1e-4);
    // No corner passes another.
    await page.fill('.controls input[name=left]', '500');
    await page.keyboard.press('Enter');
    expect(await cropOf(page)).toEqual([80, 24, 16, 72]);
    await page.close();
  });

  test('takes one crop for all files, those to come too', async () => {
    const { page } = await open();
    await page.setInputFiles('#files', [still, clip]);
    await settled(page, 2);
    await page.fill('.controls input[name=width]', '48');
    await page.keyboard.press('Tab');
    await page.locator('.clip').first().getByText('Use for all files').click();
    await page.setInputFiles('#files', [still]);
    await settled(page, 3);
    await expect
      .poll(() => page.evaluate("[...document.querySelectorAll('[name=width]')].map((one) => one.value)"))
      .toEqual(['48', '48', '48']);
    await settled(page, 3);
    const rows = (await saved(page)).filter(({ row }) => row === 'clip');
    expect(rows[0]!.probabilities).toEqual(rows[2]!.probabilities);
    expect(farthest(rows[0]!.probabilities, await predicted(0, 0, 48, 96))).toBeLessThan(1e-4);
    await page.close();
  });

  test('looks at fewer frames where it is told to, even in time', async () => {
    const { page } = await open();
    await page.setInputFiles('#files', [clip]);
    await settled(page, 1);
    const times = async (): Promise<readonly (number | null)[]> =>
      (await saved(page)).filter(({ row }) => row === 'frame').map(({ seconds }) => seconds);
    expect(await times()).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8]);
    await page.selectOption('#most', '8');
    await settled(page, 1);
    // Of ten frames the middles of eight equal parts.
    expect(await times()).toEqual([0, 0.2, 0.6, 0.8, 1, 1.2, 1.6, 1.8]);
    await page.close();
  });

  test('says of every file that it cannot read why, what to do, and goes on', async () => {
    const { page } = await open();
    await page.setInputFiles('#files', [...broken.map(([name]) => at(name)), still]);
    await settled(page, broken.length + 1);
    for (const [i, [name, said]] of broken.entries()) {
      const [message, remedy] = await page.locator('.clip').nth(i).locator('.problem p').allTextContents();
      expect(message, name).toBe(said);
      expect(remedy!.length, name).toBeGreaterThan(20);
    }
    expect(await page.locator('.clip').last().getAttribute('data-state')).toBe('done');
    const rows = await saved(page);
    expect(rows.filter(({ row }) => row === 'failed').map(({ note }) => note)).toEqual(
      broken.map(([, said]) => said),
    );
    await page.close();
  });

  test.each([
    ['lacking', 'The file parts/runtime-2.js is missing beside this page.'],
    ['cut', 'The files of parts/model-1.js are damaged.'],
    ['mixed', 'The files of parts/model are damaged.'],
    ['other', 'The model does not load: '],
  ])('says what is wrong with a folder that is %s', async (name, said) => {
    const page = await browser.newPage();
    await page.goto(`${address}/${name}/index.html`);
    await page.locator('body[data-state=failed]').waitFor();
    expect(await page.locator('#loading[role=alert]').textContent()).toContain(said);
    await page.close();
  });

  test.each(
    [360, 1280].flatMap((width) =>
      (['light', 'dark'] as const).map((colorScheme) => ({ width, colorScheme })),
    ),
  )('has nothing that a person could not use at $width px, $colorScheme', async ({ width, colorScheme }) => {
    const { page } = await open({ viewport: { width, height: 800 }, colorScheme });
    expect(await violationsOf(page)).toEqual([]);
    await page.setInputFiles('#files', [still, clip, at('text.mp4')]);
    await settled(page, 3);
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
    expect(await violationsOf(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    const lost = await page.evaluate(`[...document.querySelectorAll('body *')]
      .filter((one) => one.closest('.scroll, .stage, .hidden') === null)
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => one.tagName + ' ' + one.textContent.slice(0, 40))`);
    expect(lost).toEqual([]);
    await page.close();
  });

  test('keeps everything in its place when numbers come', async () => {
    const { page } = await open();
    const places = async (): Promise<unknown> =>
      await page.evaluate(`[...document.querySelectorAll('.clip:nth-child(2) :is(h3, .stage, .verdict, .bars tr, .used, .controls)')]
        .map((one) => { const { x, y, width } = one.getBoundingClientRect(); return [x, y, width]; })`);
    await page.setInputFiles('#files', [clip, still]);
    await page.locator('.clip').nth(1).waitFor();
    const before = await places();
    const wasWaiting = await page.locator('.clip').nth(1).getAttribute('data-state');
    await settled(page, 2);
    expect(wasWaiting).not.toBe('done');
    expect(await places()).toEqual(before);
    await page.close();
  });
});
