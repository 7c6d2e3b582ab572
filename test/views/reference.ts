/** Results of Pillow and torchvision (see golden/make.py), and the picture they were made of. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const numbers = z.array(z.number());
const schema = z.object({
  resizes: z.array(
    z.object({
      width: z.number(),
      height: z.number(),
      size: z.number(),
      box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
      pixels: numbers,
    }),
  ),
  jitters: z.array(
    z.object({
      name: z.enum(['brightness', 'contrast', 'saturation', 'hue']),
      factor: z.number(),
      colour: numbers,
      grey: numbers.optional(),
    }),
  ),
  luma: numbers,
});

export const REFERENCE = schema.parse(
  JSON.parse(readFileSync(new URL('./golden/reference.json', import.meta.url), 'utf8')),
);

export function picture(width: number, height: number, channel = 0): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const x = i % width;
    const y = Math.floor(i / width);
    return (x * x * 3 + y * 29 + x * y * 5 + channel * 71) % 256;
  });
}
