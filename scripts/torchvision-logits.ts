/**
 * Compares the logits of ResNets and VGG here with torchvision's, from the same weights:
 *
 *     python scripts/peers/torchvision_logits.py DIR
 *     node --conditions=source --import=tsx scripts/torchvision-logits.ts DIR
 *
 * Exits with 1 where a logit differs by more than 1e-4 of the largest.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { initFrom } from '../src/inference/init-from.ts';
import { Scope } from '../src/layers/scope.ts';
import { buildModel, type ModelConfig } from '../src/models/index.ts';
import { input } from '../src/onnx/ops.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { finish } from '../src/passes/finish.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';
import { decodeSafetensors } from '../src/storage/safetensors.ts';

const MOST = 1e-4;

/** By their names in torchvision. */
const MODELS: readonly (readonly [name: string, model: ModelConfig])[] = [
  ['resnet18', { kind: 'resnet', variant: '18', stem: 'imagenet' }],
  ['resnet50', { kind: 'resnet', variant: '50', stem: 'imagenet' }],
  ['vgg16_bn', { kind: 'vgg', variant: '16', hidden: [4096, 4096], dropout: 0.5 }],
];

async function read(folder: string, name: string) {
  const file = path.join(folder, `${name}.safetensors`);
  return { file, tensors: decodeSafetensors(new Uint8Array(await readFile(file)), file).tensors };
}

const [folder = ''] = process.argv.slice(2);
for (const [name, model] of MODELS) {
  const expected = await read(folder, `${name}-logits`);
  const [images, logits] = ['images', 'logits'].map((each) =>
    expected.tensors.find((tensor) => tensor.name === each),
  );
  if (!images || !logits) throw new Error(`${expected.file}: expected images and logits`);
  const scope = new Scope({ training: false });
  const x = input('images', images.shape);
  const y = buildModel(scope, x, logits.shape[1] ?? 0, model);
  const { file, tensors } = await read(folder, name);
  const { values } = initFrom(tensors, scope.variables, { origin: file });
  const inputs = [x, ...scope.variables.map(({ value }) => value)];
  const graph = finish({ name, inputs, outputs: { logits: y } }, { target: 'cpu' });
  const session = await createSession(serialize(graph), { device: 'cpu', threads: 2 });
  const feeds: Record<string, Tensor> = {
    images: { dtype: 'float32', shape: images.shape, data: images.data },
  };
  for (const variable of scope.variables) {
    const data = values.get(variable.path);
    if (data) feeds[variable.path] = { dtype: 'float32', shape: variable.shape, data };
  }
  const got = (await session.run(feeds)).logits;
  await session.release();
  const wanted = Array.from(logits.data, Number);
  const gap = Math.max(...wanted.map((value, i) => Math.abs(value - Number(got?.data[i]))));
  const largest = Math.max(...wanted.map(Math.abs));
  console.log(`${name}: logits up to ${largest.toFixed(2)} differ by ${gap.toExponential(2)} at most`);
  if (!(gap <= MOST * largest)) process.exitCode = 1;
}
