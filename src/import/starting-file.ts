/** The file that training starts from. Pure: also for browsers. */
import type { ExternalData } from './decode-tensor.ts';
import { exportTrained } from './export.ts';
import { withNewHead } from './new-head.ts';
import { readModel } from './onnx-model.ts';

/** What is done to a file before it trains. */
export interface StartingOptions {
  /** Classes of a new last layer; the file's own head without it. */
  readonly classes?: number | undefined;
  /** The output that the layer is of; the first by default. */
  readonly output?: string | undefined;
}

/**
 * The file with what it keeps in other files inside, and with a new head where that is asked for. Throws UserError as
 * `readModel` and `withNewHead` do.
 */
export function startingFile(
  bytes: Uint8Array,
  { classes, output }: StartingOptions,
  external?: ExternalData,
): Uint8Array {
  const model = readModel(bytes, external);
  const isElsewhere = model.proto.graph.initializer.some(({ dataLocation }) => dataLocation === 1);
  const whole = isElsewhere ? exportTrained(model, { values: new Map(), adapters: [] }) : bytes;
  return classes === undefined ? whole : withNewHead(readModel(whole), classes, output);
}
