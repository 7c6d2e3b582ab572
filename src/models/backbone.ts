/** The backbones that a configuration can name, and the network of one. */
import type { Network } from '../engine/core/network.ts';
import { resnet, type ResNetDepth, type ResNetOptions } from './resnet.ts';

const DEPTHS = { resnet18: 18, resnet34: 34, resnet50: 50 } as const satisfies Record<string, ResNetDepth>;

/** What a configuration says of its backbone. */
export interface BackboneConfig {
  readonly model: {
    readonly backbone: keyof typeof DEPTHS;
    /** Filters of the first stage. */
    readonly width: number;
    /** Momentum of the running statistics of batch norms. */
    readonly normMomentum: number;
  };
  /** Channels and side, in pixels, of its images. */
  readonly view: Pick<ResNetOptions, 'channels' | 'size'>;
}

/** The bare backbone of a configuration. */
export function backboneOf({ model, view: { channels, size } }: BackboneConfig): Network {
  const trunk = resnet(DEPTHS[model.backbone], { channels, size, width: model.width });
  return {
    ...trunk,
    nodes: trunk.nodes.map((node) =>
      node.kind === 'batchNorm' ? { ...node, momentum: model.normMomentum } : node,
    ),
  };
}
