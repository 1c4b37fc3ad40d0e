/**
 * Compares the logits of a ViT, a Swin and a CaiT here with those of timm and Hugging Face, from the same weights:
 *
 *     python scripts/peers/timm_logits.py DIR && node --conditions=source --import=tsx scripts/timm-logits.ts DIR
 *
 * Exits with 1 where a logit differs by more than 1e-4.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';
import { initFrom } from '../src/inference/init-from.ts';
import { Scope } from '../src/layers/scope.ts';
import { buildModel, modelSchema } from '../src/models/index.ts';
import { input } from '../src/onnx/ops.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { finish } from '../src/passes/finish.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';
import { decodeSafetensors } from '../src/storage/safetensors.ts';

const MOST = 1e-4;

async function read(folder: string, name: string) {
  const file = path.join(folder, `${name}.safetensors`);
  const { tensors, metadata } = decodeSafetensors(new Uint8Array(await readFile(file)), file);
  return { file, tensors, metadata };
}

async function differenceOf(
  folder: string,
  name: string,
): Promise<{ most: number; notes: readonly string[] }> {
  const expected = await read(folder, `${name}-logits`);
  const [images, logits] = ['images', 'logits'].map((each) =>
    expected.tensors.find((tensor) => tensor.name === each),
  );
  if (!images || !logits) throw new Error(`${expected.file}: expected images and logits`);
  const config = v.parse(modelSchema, JSON.parse(expected.metadata.config ?? ''));
  const scope = new Scope({ training: false });
  const x = input('images', images.shape);
  const y = buildModel(scope, x, logits.shape[1] ?? 0, config);
  const { file, tensors } = await read(folder, name);
  const { values, notes } = initFrom(tensors, scope.parameters, { origin: file });
  const inputs = [x, ...scope.parameters.map(({ value }) => value)];
  const graph = finish({ name: config.kind, inputs, outputs: { logits: y } }, { target: 'cpu' });
  const session = await createSession(serialize(graph), { device: 'cpu', threads: 1 });
  const feeds: Record<string, Tensor> = {
    images: { dtype: 'float32', shape: images.shape, data: images.data },
  };
  for (const { path: name, shape } of scope.parameters) {
    feeds[name] = { dtype: 'float32', shape, data: values.get(name) ?? new Float32Array() };
  }
  const got = (await session.run(feeds)).logits;
  await session.release();
  const gaps = Float32Array.from(logits.data, Number).map((value, i) =>
    Math.abs(value - Number(got?.data[i])),
  );
  return { most: Math.max(...gaps), notes };
}

const [folder = ''] = process.argv.slice(2);
for (const name of ['timm', 'hugging-face', 'swin', 'swin-224', 'cait']) {
  const { most, notes } = await differenceOf(folder, name);
  console.log(
    `${name}: logits differ by ${most.toExponential(2)} at most${notes.map((note) => `; ${note}`).join('')}`,
  );
  if (!(most <= MOST)) process.exitCode = 1;
}
