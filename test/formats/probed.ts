/** What ffprobe says of a file, to hold the readers of headers to it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { VideoHeader } from '../../src/formats/video-header.ts';

const run = promisify(execFile);

interface Probed {
  readonly format: { readonly format_name: string };
  readonly streams: readonly {
    readonly index: number;
    readonly width: number;
    readonly height: number;
    readonly sample_aspect_ratio?: string;
    readonly avg_frame_rate: string;
    readonly nb_read_packets: string;
    readonly side_data_list?: readonly object[];
  }[];
}

/** Asks the way `probeVideo` does, but for all that a reader tells; the file must be of the format and hold one stream. */
export async function probed(path: string, wanted: 'avi' | 'gif' | 'mpeg'): Promise<VideoHeader> {
  const { stdout } = await run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-count_packets', '-show_entries'],
    'format=format_name:stream=index,width,height,sample_aspect_ratio,avg_frame_rate,nb_read_packets:' +
      'stream_side_data=rotation',
    ...['-print_format', 'json', path],
  ]);
  const { format, streams } = JSON.parse(stdout) as Probed;
  const [stream, ...others] = streams;
  expect(format.format_name).toBe(wanted);
  expect(others).toEqual([]);
  expect(stream).toMatchObject({ index: 0 });
  const { side_data_list: sideData = [] } = stream!;
  // MPEG has data of other kinds than rotation beside its pictures; of those nothing was asked.
  expect(sideData).toEqual(wanted === 'mpeg' ? sideData.map(() => ({})) : []);
  const { width, height, sample_aspect_ratio: aspect, avg_frame_rate: rate, nb_read_packets } = stream!;
  const quotient = (text: string): number => {
    const [above = NaN, below = NaN] = text.split(/[/:]/).map(Number);
    return above / below;
  };
  const pixelAspect = aspect === undefined || aspect === 'N/A' ? null : quotient(aspect);
  return { width, height, pixelAspect, fps: quotient(rate), frames: Number(nb_read_packets) };
}
