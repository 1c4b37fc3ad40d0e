/** Files of Python's onnxruntime.training, told from others: stock ONNX Runtime cannot run what they are made of. */
import { UserError } from '../errors.ts';
import type { ModelProto } from '../onnx/proto.ts';

/** The file identifier of its checkpoints, at byte 4 of a flatbuffer. */
const CHECKPOINT = 'ODTC';

/** The operators of training_model.onnx and optimizer_model.onnx that only builds with training have. */
const OPERATORS =
  /Grad$|^(InPlaceAccumulator(V2)?|AdamWOptimizer|SGDOptimizerV2|YieldOp|SoftmaxCrossEntropyLossInternal|ReduceAllL2|MixedPrecisionScale|PassThrough|BiasGeluGrad_dX|(Lamb|Adam|SGD)Optimizer|SceLossInternal|BatchNormInternal|ConcatTraining)$/;

/** How onnxblock names what the nodes of its losses give. eval_model.onnx has nothing else that tells it from others. */
const LOSS = /^onnx::\w+::\d+$/;

/** Throws UserError, whose line `what` begins, for a checkpoint. */
export function expectNoPythonCheckpoint(what: string, bytes: Uint8Array): void {
  if (String.fromCharCode(...bytes.subarray(4, 8)) === CHECKPOINT)
    throw refused(what, "it is a checkpoint of Python's onnxruntime.training, a flatbuffer");
}

/** Throws UserError, whose line `what` begins, for training_model.onnx, eval_model.onnx and optimizer_model.onnx. */
export function expectNoPythonModel(what: string, { graph }: ModelProto): void {
  const node = graph.node.find(({ domain, opType }) => domain === 'com.microsoft' && OPERATORS.test(opType));
  const loss = graph.output.find(({ name }) => LOSS.test(name));
  const sign = node
    ? `its ${node.opType} is in no stock ONNX Runtime`
    : loss && `its output ${loss.name} is the loss`;
  if (sign !== undefined) throw refused(what, `it was written by Python's onnxruntime.training (${sign})`);
}

function refused(what: string, problem: string): UserError {
  return new UserError(
    `${what}: ${problem}; make ours from the forward model that it was made from, with og.generateArtifacts or ortgrad artifacts`,
  );
}
