/** Tiny media files made on the spot, and small helpers shared by the ingest tests. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import sharp from 'sharp';

export { failure, failureOf } from '../failures.ts';

export interface VideoSpec {
  readonly source?: string;
  readonly seconds?: number;
  readonly fps?: number;
  readonly size?: string;
  /** Further output options. */
  readonly options?: readonly string[];
}

/** Makes a video of a test picture under changing noise (no two frames are the same), or of another lavfi source. */
export function makeVideo(path: string, spec: VideoSpec = {}): void {
  const { source, seconds = 1, fps = 10, size = '64x48', options = ['-pix_fmt', 'yuv420p'] } = spec;
  const timing = `s=${size}:r=${fps}:d=${seconds}`;
  const input = source === undefined ? `testsrc2=${timing},noise=alls=60:allf=t` : `${source}:${timing}`;
  makeWith(path, ['-f', 'lavfi', '-i', input, ...options]);
}

export function makeWith(path: string, args: readonly string[]): void {
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-bitexact', ...args, `file:${path}`], {
    stdio: 'pipe',
  });
}

/** A grey picture with a gradient that depends on `seed`, so that no two are the same and none is black. */
export function gradient(width: number, height: number, seed: number): Buffer {
  const level = (i: number): number => ((i % width) * 3 + Math.floor(i / width) * 5 + seed * 37) % 180;
  return Buffer.from(Uint8Array.from({ length: width * height }, (_, i) => 60 + level(i)));
}

function isFormat(path: string): 'png' | 'jpeg' {
  return path.endsWith('.png') ? 'png' : 'jpeg';
}

export async function makePicture(path: string, seed = 0, width = 40, height = 32): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const raw = { width, height, channels: 1 as const };
  writeFileSync(
    path,
    await sharp(gradient(width, height, seed), { raw })
      .toFormat(isFormat(path))
      .toBuffer(),
  );
}
