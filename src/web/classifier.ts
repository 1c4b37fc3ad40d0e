/** The exported model, loaded beside the page. */
import { UserError } from '../errors.ts';
import { createSession, wasmThreads } from '../runtime/ort.web.ts';
import { type ModelInfo, parseModelInfo } from './model-info.ts';
import { type Answer, bestAnswers } from './pixels.ts';

/** A function of one v128 constant: valid only where SIMD is. */
const SIMD = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11],
);

export interface Classifier {
  readonly info: ModelInfo;
  readonly threads: number;
  /** The five best answers for uint8 [height, width, channels], and the milliseconds that the model took. */
  classify(pixels: Uint8Array): Promise<{ answers: readonly Answer[]; milliseconds: number }>;
}

/** Throws UserError for what is missing: in the browser, or of the files. */
export async function loadClassifier(): Promise<Classifier> {
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(SIMD)) {
    throw new UserError(
      'This browser has no WebAssembly SIMD, which the model runs on: take Chrome or Edge 91, Firefox 89, Safari 16.4, or later',
    );
  }
  const info = parseModelInfo(await (await fetched('model.json')).json().catch(() => undefined));
  const { file, bytes } = info.model;
  const model = new Uint8Array(await (await fetched(file)).arrayBuffer());
  if (model.length !== bytes) {
    throw new UserError(`${file}: expected ${bytes} bytes, got ${model.length}; copy the file again`);
  }
  const threads = wasmThreads(Math.min(4, navigator.hardwareConcurrency));
  const session = await createSession(model, { device: 'cpu', threads, optimize: true }).catch(
    async (error: unknown) => {
      await fetched('ort-wasm-simd-threaded.wasm', 'HEAD');
      throw new UserError(`${file} does not load: ${error instanceof Error ? error.message : error}`);
    },
  );
  const { channels, height, width } = info.image;
  const run = async (pixels: Uint8Array): Promise<ArrayLike<number>> => {
    const shape = [1, height, width, channels];
    const { logits } = await session.run({ images: { dtype: 'uint8', shape, data: pixels } });
    if (!(logits?.data instanceof Float32Array)) throw new UserError(`${file} gives no float32 logits`);
    return logits.data;
  };
  // The first run allocates memory; it is not the one whose time counts.
  await run(new Uint8Array(height * width * channels));
  return {
    info,
    threads,
    async classify(pixels) {
      const start = performance.now();
      const logits = await run(pixels);
      return {
        milliseconds: performance.now() - start,
        answers: bestAnswers(logits, info.classes, 5),
      };
    },
  };
}

async function fetched(file: string, method = 'GET'): Promise<Response> {
  const response = await fetch(file, { method }).catch(() => undefined);
  if (response?.ok) return response;
  const reason = response ? `the server answered ${response.status}` : 'the server did not answer';
  throw new UserError(
    `${file}: ${reason}; it belongs beside index.html: serve the folder as it was exported`,
  );
}
