/** Every model that a spec can name: its schema, and the function that writes it. */
import * as v from 'valibot';
import type { Scope } from '../layers/scope.ts';
import type { Value } from '../onnx/value.ts';
import { cait, caitSchema } from './cait.ts';
import { encoder, encoderSchema } from './encoder.ts';
import { ftTransformer, ftTransformerSchema } from './ft-transformer.ts';
import { mlp, mlpSchema } from './mlp.ts';
import { pyramidnet, pyramidnetSchema } from './pyramidnet.ts';
import { gruSchema, lstmSchema, recurrentText } from './recurrent.ts';
import { resnet, resnetSchema } from './resnet.ts';
import { swin, swinSchema } from './swin.ts';
import { vgg, vggSchema } from './vgg.ts';
import { vit, vitSchema } from './vit.ts';
import { wideResnet, wideResnetSchema } from './wide-resnet.ts';

export const modelSchema = v.variant('kind', [
  vitSchema,
  swinSchema,
  caitSchema,
  resnetSchema,
  wideResnetSchema,
  pyramidnetSchema,
  vggSchema,
  mlpSchema,
]);
export type ModelConfig = v.InferOutput<typeof modelSchema>;

/** Images float32 [batch, channels, height, width] → logits [batch, classes], parameters from the scope. */
export function buildModel(scope: Scope, images: Value, classes: number, config: ModelConfig): Value {
  switch (config.kind) {
    case 'vit':
      return vit(scope, images, classes, config);
    case 'swin':
      return swin(scope, images, classes, config);
    case 'cait':
      return cait(scope, images, classes, config);
    case 'resnet':
      return resnet(scope, images, classes, config);
    case 'wide-resnet':
      return wideResnet(scope, images, classes, config);
    case 'pyramidnet':
      return pyramidnet(scope, images, classes, config);
    case 'vgg':
      return vgg(scope, images, classes, config);
    case 'mlp':
      return mlp(scope, images, classes, config);
  }
}

export const textModelSchema = v.variant('kind', [encoderSchema, lstmSchema, gruSchema]);
export type TextModelConfig = v.InferOutput<typeof textModelSchema>;

/** Ids int32 or int64 [batch, length], 0 for padding → logits [batch, outputs], parameters from the scope. */
export function buildTextModel(scope: Scope, ids: Value, outputs: number, config: TextModelConfig): Value {
  switch (config.kind) {
    case 'encoder':
      return encoder(scope, ids, outputs, config);
    case 'lstm':
    case 'gru':
      return recurrentText(scope, ids, outputs, config);
  }
}

export const tableModelSchema = v.variant('kind', [mlpSchema, ftTransformerSchema]);
export type TableModelConfig = v.InferOutput<typeof tableModelSchema>;

/** Numbers of a table's rows float32 [batch, features] → [batch, outputs], parameters from the scope. */
export function buildTableModel(scope: Scope, x: Value, outputs: number, config: TableModelConfig): Value {
  switch (config.kind) {
    case 'mlp':
      return mlp(scope, x, outputs, config);
    case 'ft-transformer':
      return ftTransformer(scope, x, outputs, config);
  }
}
