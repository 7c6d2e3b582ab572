/** The system's Chromium, for tests of pages. */
import { execFileSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

/** Its program, or null where there is none. */
export const CHROMIUM = findChromium();

/** The name of a suite that needs it: says so where it is skipped. */
export const inChromium = (name: string): string =>
  CHROMIUM === null ? `${name} (skipped: no chromium here)` : name;

/** Starts it without a window. Close it. */
export async function openChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
}

function findChromium(): string | null {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    } catch {
      continue;
    }
  }
  return null;
}
