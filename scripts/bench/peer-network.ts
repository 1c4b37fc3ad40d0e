/** A network as the programs of scripts/peers read it: its task, its model with all sizes written out, and its ends. */
import { PYRAMIDNET_VARIANTS } from '../../src/models/pyramidnet.ts';
import { RESNET_VARIANTS } from '../../src/models/resnet.ts';
import { VGG_VARIANTS } from '../../src/models/vgg.ts';
import { VIT_VARIANTS } from '../../src/models/vit.ts';
import { WIDE_RESNET_VARIANTS } from '../../src/models/wide-resnet.ts';
import type { ImageSpec, OwnSpec } from '../../src/tasks/spec.ts';

export type VitModel = Extract<ImageSpec['model'], { readonly kind: 'vit' }>;

export interface PeerNetwork {
  readonly task: OwnSpec['task'];
  readonly model: Readonly<Record<string, unknown>>;
  /** Numbers or classes that it predicts. */
  readonly outputs: number;
  /** [channels, height, width] of a picture. */
  readonly image?: readonly number[];
  /** Numbers of a row of a table, and how large 1 of its target is. */
  readonly features?: number;
  readonly scale?: number;
  /** Tokens of a text. */
  readonly length?: number;
}

export function peerNetwork(spec: OwnSpec): PeerNetwork {
  switch (spec.task) {
    case 'images': {
      const { channels, height, width } = spec.image;
      return {
        ...{ task: spec.task, model: imageModel(spec.model), outputs: spec.classes },
        image: [channels, height, width],
      };
    }
    case 'table':
      return {
        ...{ task: spec.task, model: spec.model, outputs: spec.classes ?? 1 },
        ...{ features: spec.features, scale: spec.scale },
      };
    case 'text':
      return { task: spec.task, model: spec.model, outputs: spec.classes, length: spec.length };
  }
}

function imageModel(model: ImageSpec['model']): PeerNetwork['model'] {
  switch (model.kind) {
    case 'vit':
      return { ...model, ...vitSizes(model), dropout: model.dropout ?? 0 };
    case 'resnet':
      return { ...RESNET_VARIANTS[model.variant ?? 'micro'], ...model };
    case 'wide-resnet':
      return { ...WIDE_RESNET_VARIANTS[model.variant ?? 'micro'], ...model };
    case 'pyramidnet':
      return { ...PYRAMIDNET_VARIANTS[model.variant ?? 'micro'], ...model };
    case 'vgg':
      return { ...VGG_VARIANTS[model.variant ?? 'micro'], ...model };
    default:
      return model;
  }
}

/** The sizes of a Vision Transformer: its variant's, where it gives none of its own. */
export function vitSizes({ variant, width, layers, heads, mlpRatio }: VitModel) {
  const row = variant ? VIT_VARIANTS[variant] : { width: 0, layers: 0, heads: 0 };
  const columns = width ?? row.width;
  return {
    width: columns,
    layers: layers ?? row.layers,
    heads: heads ?? row.heads,
    mlp: Math.round(columns * mlpRatio),
  };
}
