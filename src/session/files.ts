/** The files of a training session, opened: by bytes, path or address; others are refused by what they are. Also for browsers. */
import { readAddress } from '#host';
import { messageOf, show, UserError } from '../errors.ts';
import { expectNoPythonCheckpoint, expectNoPythonModel } from '../import/python-artifacts.ts';
import { decodeModel, type ModelProto } from '../onnx/proto.ts';
import { decodeSafetensors, type Safetensors } from '../storage/safetensors.ts';
import {
  DOCUMENT,
  type EvaluationDocument,
  evaluationDocument,
  type OptimizerDocument,
  optimizerDocument,
  trainingDocument,
} from './document.ts';
import type { TrainingFile } from './source.ts';

/** Bytes of a file, or where it lies: in node its path, in a page its address. */
export type UriOrBuffer = string | Uint8Array;

/** Throws UserError where it is neither, or cannot be read. */
export async function bytesOf(what: string, given: unknown): Promise<Uint8Array> {
  if (given instanceof Uint8Array) return given;
  if (typeof given === 'string' && given !== '') return readAddress(given);
  throw new UserError(`${what}: expected bytes, a path or an address, got ${show(given)}`);
}

/** Throws UserError for a file of Python's onnxruntime.training, and others that are not of this library. */
export function openTraining(bytes: Uint8Array): TrainingFile {
  const metadata = metadataOf('trainModel', bytes);
  return { document: trainingDocument(metadata, 'trainModel'), metadata };
}

export function openEvaluation(bytes: Uint8Array): EvaluationDocument {
  return evaluationDocument(metadataOf('evalModel', bytes), 'evalModel');
}

export function openOptimizer(bytes: Uint8Array): OptimizerDocument {
  return optimizerDocument(metadataOf('optimizerModel', bytes), 'optimizerModel');
}

function metadataOf(what: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const model = decoded(what, bytes);
  const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  if (metadata[DOCUMENT] !== undefined) return metadata;
  expectNoPythonModel(what, model);
  throw new UserError(
    `${what}: expected a file of og.generateArtifacts, got another ONNX model; if it computes predictions, og.generateArtifacts(bytes, { loss }) makes artifacts of it`,
  );
}

function decoded(what: string, bytes: Uint8Array): ModelProto {
  expectNoPythonCheckpoint(what, bytes);
  try {
    return decodeModel(bytes);
  } catch (error) {
    throw new UserError(`${what}: expected an ONNX file (${messageOf(error)})`, { cause: error });
  }
}

/** A file of weights, or a checkpoint of a session. Throws UserError for a checkpoint of Python's. */
export function openCheckpoint(bytes: Uint8Array, what = 'checkpointState'): Safetensors {
  expectNoPythonCheckpoint(what, bytes);
  return decodeSafetensors(bytes, what);
}
