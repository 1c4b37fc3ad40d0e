/** The exported model, loaded beside the page. */
import { UserError } from '../errors.ts';
import { fetched } from './fetched.ts';
import { type ModelInfo, parseModelInfo } from './model-info.ts';
import { type Answer, bestAnswers } from './pixels.ts';
import { expectSimd, openSession, threadCount } from './support.ts';

export interface Classifier {
  readonly info: ModelInfo;
  readonly threads: number;
  /** The five best answers for uint8 [height, width, channels], and the milliseconds that the model took. */
  classify(pixels: Uint8Array): Promise<{ answers: readonly Answer[]; milliseconds: number }>;
}

/** Loads the model. Throws UserError where the browser lacks a feature, or a file is missing or damaged. */
export async function loadClassifier(): Promise<Classifier> {
  expectSimd();
  const info = parseModelInfo(await (await fetched('model.json')).json().catch(() => undefined));
  const { file, bytes } = info.model;
  const model = new Uint8Array(await (await fetched(file)).arrayBuffer());
  if (model.length !== bytes) {
    throw new UserError(`${file}: expected ${bytes} bytes, got ${model.length}; copy the file again`);
  }
  const session = await openSession(model, file, { optimize: true });
  const { channels, height, width } = info.image;
  const run = async (pixels: Uint8Array): Promise<ArrayLike<number>> => {
    const shape = [1, height, width, channels];
    const { logits } = await session.run({ images: { dtype: 'uint8', shape, data: pixels } });
    if (!(logits?.data instanceof Float32Array)) throw new UserError(`${file} gives no float32 logits`);
    return logits.data;
  };
  // The first run also allocates memory, so it is done here, where nobody times it.
  await run(new Uint8Array(height * width * channels));
  return {
    info,
    threads: threadCount(),
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
