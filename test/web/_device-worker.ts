/** What device.browser.test.ts has a worker of a page do. Models come as base64. */
import * as ort from 'onnxruntime-web/webgpu';
import { createResidentSession, createSession } from '../../src/runtime/ort.web.ts';
import type { Device } from '../../src/runtime/session.ts';
import type { ImageSpec } from '../../src/tasks/spec.ts';
import { gradient, type Steps, stepsOnDevice, type Taken } from '../_steps.ts';

export type Task =
  /** The gradient of a batch. */
  | {
      readonly do: 'gradient';
      readonly spec: ImageSpec;
      readonly batch: number;
      readonly kind: 'none' | 'exact';
      readonly device: Device;
    }
  /** Steps whose state stays on the GPU. */
  | { readonly do: 'steps'; readonly steps: Steps }
  /** Loads a model as the trainer does. */
  | { readonly do: 'open'; readonly model: string }
  /** Loads a model so that ONNX Runtime says on the console where its nodes run. */
  | { readonly do: 'place'; readonly model: string };

export type Answer =
  | { readonly error: string }
  | { readonly arrays?: Taken['arrays']; readonly records?: Taken['records'] };

async function answer(task: Task): Promise<Answer> {
  switch (task.do) {
    case 'gradient': {
      const { spec, batch, kind, device } = task;
      const load = (model: Uint8Array) => createSession(model, { device, threads: 1 });
      return { arrays: { gradient: await gradient(spec, batch, kind, load) } };
    }
    case 'steps':
      return stepsOnDevice(task.steps, (model, next) =>
        createResidentSession(model, { device: 'webgpu', threads: 1 }, next),
      );
    case 'open':
      await createResidentSession(bytesOf(task.model), { device: 'webgpu', threads: 1 }, { x: 'y' });
      return {};
    case 'place': {
      const session = await ort.InferenceSession.create(bytesOf(task.model), {
        ...{ executionProviders: ['webgpu'], graphOptimizationLevel: 'disabled', logSeverityLevel: 0 },
      });
      await session.release();
      return {};
    }
  }
}

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

self.onmessage = async ({ data }: MessageEvent<Task>) => {
  self.postMessage(await answer(data).catch((error: unknown): Answer => ({ error: String(error) })));
};
