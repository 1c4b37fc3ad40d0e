/** The script of a page that trains by `TrainingSession`: the demo, and small steps on WebGPU. */
import { Tensor } from 'onnxruntime-web/wasm';
import * as og from '../../src/index.ts';
import { demo } from '../session/_mnist-demo.ts';

const files = {
  checkpointState: 'checkpoint',
  trainModel: 'training_model.onnx',
  evalModel: 'eval_model.onnx',
  optimizerModel: 'optimizer_model.onnx',
};

async function bytesOf(name: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(name)).arrayBuffer());
}

async function digits(): Promise<unknown> {
  const [train, test] = [
    { images: await bytesOf('train-images'), labels: await bytesOf('train-labels') },
    { images: await bytesOf('test-images'), labels: await bytesOf('test-labels') },
  ];
  return demo({ Tensor, TrainingSession: og.TrainingSession }, files, {
    train,
    test,
    batchSize: 64,
    epochs: 4,
    lossName: 'onnx::loss::8',
  });
}

/** Calls `add` with how many bytes go to the GPU, whenever some do. */
function countSent(add: (bytes: number) => void): void {
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (descriptor.mappedAtCreation) add(descriptor.size);
    return createBuffer.call(this, descriptor);
  };
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data, from, size) {
    add(size ?? data.byteLength);
    writeBuffer.call(this, buffer, offset, data, from, size);
  };
}

/** Steps of a model in a folder along waves, and what they lead to. */
async function steps(device: og.Device, folder: string, width: number): Promise<unknown> {
  const { checkpointState, trainModel, evalModel, optimizerModel } = files;
  let bytes = 0;
  if (device === 'webgpu') countSent((more) => (bytes += more));
  const session = await og.TrainingSession.create(
    {
      checkpointState: `${folder}/${checkpointState}`,
      trainModel: `${folder}/${trainModel}`,
      evalModel: `${folder}/${evalModel}`,
      optimizerModel: `${folder}/${optimizerModel}`,
    },
    { device },
  );
  const losses: number[] = [];
  const sent: number[] = [];
  for (let j = 0; j < 4; j++) {
    const data = Float32Array.from({ length: 6 * width }, (_, i) => Math.sin((0.31 + 0.07 * j) * (i + 1)));
    const labels = BigInt64Array.from({ length: 6 }, (_, i) => BigInt((i * (j + 1)) % 3));
    bytes = 0;
    const { loss } = await session.runTrainStep({
      input: new Tensor('float32', data, [6, width]),
      labels: new Tensor('int64', labels, [6]),
    });
    sent.push(bytes);
    losses.push(Number(loss?.data[0]));
    if (j % 2 === 0) continue;
    await session.runOptimizerStep();
    await session.lazyResetGrad();
  }
  const { data } = await session.getContiguousParameters(true);
  const exported = await session.export();
  await session.release();
  return { losses, sent, parameters: Array.from(data, Number), exported: exported.length };
}

/** Does what the page's address asks for; the title says what came of it. */
export async function start(): Promise<void> {
  const asked = new URLSearchParams(location.search);
  const device = asked.get('device');
  const [folder, width] = asked.has('adapted') ? ['adapted', 64] : ['small', 4];
  try {
    const done = await (device === 'cpu' || device === 'webgpu' ? steps(device, folder, width) : digits());
    document.title = JSON.stringify(done);
  } catch (error) {
    document.title = String(error);
  }
}
