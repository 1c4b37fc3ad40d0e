/**
 * A run's folder as one file, because a page cannot write folders. `NAME.tar` holds `NAME/config.json`,
 * `NAME/metrics.jsonl` and one checkpoint, `NAME/checkpoints/step-000123/`: unpacked, it is a run like any other.
 * `decodeRun` also reads other sets of files that hold a checkpoint. Pure: also for browsers.
 */

import { joined } from '../bytes.ts';
import { configText } from '../config/config.ts';
import { sha256 } from '../digest.ts';
import { UserError } from '../errors.ts';
import {
  CHECKPOINTS,
  type Checkpoint,
  type CheckpointDocument,
  type CheckpointPart,
  DOCUMENT,
  decodeDocument,
  decodeModel,
  decodeOptimizer,
  encodeDocument,
  encodeTensors,
  type FileSum,
  stepName,
  TENSOR_FILES,
} from './checkpoint.ts';
import { type MetricsLine, metricsText, parseMetrics } from './metrics.ts';
import { type NamedFile, tar } from './tar.ts';

export interface ArchivedRun {
  readonly checkpoint: Checkpoint;
  /** Up to the checkpoint's step; empty if there was no metrics file. */
  readonly metrics: readonly MetricsLine[];
}

export const METRICS_FILE = 'metrics.jsonl';
export const CONFIG_FILE = 'config.json';

/** The archive of a run, as pieces to be written in order. */
export async function encodeRun(
  name: string,
  { checkpoint, metrics }: ArchivedRun,
  now: Date,
): Promise<Uint8Array[]> {
  const tensors = encodeTensors(checkpoint);
  const [model, optimizer] = [joined(tensors.model), joined(tensors.optimizer)];
  const sums = { model: await fileSum(model), optimizer: await fileSum(optimizer) };
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const folder = `${name}/${CHECKPOINTS}/${stepName(checkpoint.step)}`;
  const files: readonly NamedFile[] = [
    { path: `${name}/${CONFIG_FILE}`, bytes: text(configText(checkpoint.config)) },
    {
      path: `${name}/${METRICS_FILE}`,
      bytes: text(metrics.map((line) => `${metricsText(line)}\n`).join('')),
    },
    { path: `${folder}/${TENSOR_FILES.model}`, bytes: model },
    { path: `${folder}/${TENSOR_FILES.optimizer}`, bytes: optimizer },
    { path: `${folder}/${DOCUMENT}`, bytes: text(await encodeDocument(checkpoint, sums)) },
  ];
  return tar(files, now);
}

/** The newest checkpoint among files, and the metrics beside it. Throws a UserError that names the file and its fault. */
export async function decodeRun(files: readonly NamedFile[], origin: string): Promise<ArchivedRun> {
  const found = await Promise.all(
    files
      .filter(({ path }) => baseName(path) === DOCUMENT)
      .map(async (file) => ({ ...file, document: await decodeDocument(jsonOf(file), file.path) })),
  );
  const newest = found.reduce<(typeof found)[number] | undefined>(
    (best, each) => (best && best.document.step >= each.document.step ? best : each),
    undefined,
  );
  if (!newest) {
    throw new UserError(
      `${origin}: no checkpoint in it; expected ${DOCUMENT}, ${TENSOR_FILES.model} and ${TENSOR_FILES.optimizer}`,
    );
  }
  const { document } = newest;
  const folder = newest.path.slice(0, -DOCUMENT.length);
  const part = (name: CheckpointPart): Promise<[Uint8Array, string]> =>
    partOf(files, `${folder}${TENSOR_FILES[name]}`, document.files[name]);
  const model = decodeModel(document, ...(await part('model')));
  const optimizer = decodeOptimizer(document, ...(await part('optimizer')));
  const metrics = files.find(({ path }) => baseName(path) === METRICS_FILE);
  return {
    checkpoint: { ...model, optimizer },
    metrics: metrics ? metricsUntil(document, metrics) : [],
  };
}

function metricsUntil({ step }: CheckpointDocument, { path, bytes }: NamedFile): MetricsLine[] {
  return parseMetrics(new TextDecoder().decode(bytes), path).filter((line) => line.step <= step);
}

async function partOf(
  files: readonly NamedFile[],
  path: string,
  expected: FileSum,
): Promise<[Uint8Array, string]> {
  const bytes = files.find((file) => file.path === path)?.bytes;
  if (!bytes)
    throw new UserError(`${path}: missing; it belongs beside ${DOCUMENT}: take all files of the checkpoint`);
  const got = await fileSum(bytes);
  if (got.bytes !== expected.bytes) {
    throw new UserError(
      `${path}: expected ${expected.bytes} bytes, got ${got.bytes}; take another copy of it`,
    );
  }
  if (got.sha256 !== expected.sha256) {
    throw new UserError(
      `${path}: its bytes are not those that were saved (SHA-256 differs); take another copy of it`,
    );
  }
  return [bytes, path];
}

function jsonOf({ path, bytes }: NamedFile): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new UserError(`${path}: not valid JSON; take another copy of it`);
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

async function fileSum(bytes: Uint8Array): Promise<FileSum> {
  return { bytes: bytes.length, sha256: await sha256(bytes) };
}
