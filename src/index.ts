/**
 * ortgrad as a library: write a model from ops, differentiate it (twice), serialize it as ONNX, run and train it.
 * Works in node and in browsers; files, threads and the training loop are in `ortgrad/node`.
 */
export { createSession } from '#runtime';
export {
  evaluationGraph,
  GRAPH_NAMES,
  type GraphName,
  type GraphOptions,
  inferenceGraph,
  MEMORY_LEVELS,
  type MemoryLevel,
  type ParameterRates,
  TaskGraphs,
} from './artifacts/graphs.ts';
export { elementwiseComposite } from './autodiff/composite.ts';
export { type ConvolutionOptions, convolution } from './autodiff/convolution/convolution.ts';
export {
  affineLayerNorm,
  clip,
  gelu,
  geluTanh,
  leakyRelu,
  linear,
  silu,
  softplus,
  stopGradient,
} from './autodiff/functions.ts';
export { grad, hvp, jvp, vjp } from './autodiff/grad.ts';
export { globalNorm, penalizedGradient } from './autodiff/gradient-norm.ts';
export type { Pair, WindowOptions } from './autodiff/windows.ts';
export type { ArrayField } from './data/array-field.ts';
export { type Arrays, type ArraysOptions, arraysDataset } from './data/arrays.ts';
export { augmentedBatch, type BatchDraw, type ByteImages } from './data/augmentation/batch.ts';
export { collectExamples, type Example } from './data/collect.ts';
export { UserError } from './errors.ts';
export { fit } from './fit/fit.ts';
export { openFit } from './fit/open.ts';
export {
  adabelief,
  adam,
  adamw,
  asam,
  constantRate,
  cosine,
  exactGr,
  exponentialDecay,
  finiteDifferenceGr,
  gsam,
  lion,
  lookSam,
  type NamedRegularizer,
  type NamedSchedule,
  type OptimizerChoice,
  type OwnRegularizer,
  type RegularizerChoice,
  radam,
  rmsprop,
  type ScheduleChoice,
  type ScheduleInfo,
  sam,
  sgd,
  stepDecay,
} from './fit/optimizers.ts';
export type {
  EarlyStopping,
  EpochRecord,
  Evaluated,
  ExportOptions,
  FitCallbacks,
  FitEvent,
  FitOptions,
  FitRun,
  MetricChoice,
  Model,
  OpenFit,
  Predictions,
  RateGroup,
  RunControl,
  UseOptions,
  ValuesOf,
} from './fit/types.ts';
export { loadWeights, saveWeights, type Weights } from './fit/weights.ts';
export {
  type ImageModel,
  type InferenceModel,
  imageModel,
  inferenceModel,
} from './inference/inference-model.ts';
export {
  type InitFromOptions,
  type InitialWeights,
  initFrom,
  type WantedVariable,
} from './inference/init-from.ts';
export { type AttentionOptions, attention } from './layers/attention.ts';
export { type BatchNormOptions, batchNorm } from './layers/batch-norm.ts';
export { type ConvOptions, conv } from './layers/conv.ts';
export { type DenseOptions, dense } from './layers/dense.ts';
export { dropout, stochasticDepth } from './layers/dropout.ts';
export { type EmbeddingOptions, embedding } from './layers/embedding.ts';
export { type LayerNormOptions, layerNorm } from './layers/layer-norm.ts';
export { layerScale } from './layers/layer-scale.ts';
export { averagePool, globalAveragePool, maxPool, type PoolOptions } from './layers/pool.ts';
export { type PositionsOptions, positions, withClassToken } from './layers/positions.ts';
export { gru, lstm, type RecurrentOptions } from './layers/recurrent.ts';
export { relativePositions } from './layers/relative-positions.ts';
export { type Init, initialize, type Role, Scope, type ScopeRandom, type Variable } from './layers/scope.ts';
export { type ShakeDropOptions, shakeDrop } from './layers/shake-drop.ts';
export { DECAY_RULES, type DecayRules, decayMask } from './layers/weight-decay.ts';
export { binaryCrossEntropy } from './losses/binary-cross-entropy.ts';
export { type CrossEntropyOptions, crossEntropy } from './losses/cross-entropy.ts';
export type { LossName } from './losses/names.ts';
export { huber, mae, mse } from './losses/regression.ts';
export {
  accuracy,
  binaryAccuracy,
  type ClassNames,
  type ClassScores,
  classScores,
  confusionMatrix,
  perplexity,
  topK,
} from './metrics/classification.ts';
export { meanAbsoluteError, type NumberOptions, r2, rootMeanSquaredError } from './metrics/regression.ts';
export { CAIT_VARIANTS, type CaitConfig, cait } from './models/cait.ts';
export { type EncoderConfig, encoder } from './models/encoder.ts';
export {
  FT_TRANSFORMER_DEFAULTS,
  type FtTransformerConfig,
  ftTransformer,
} from './models/ft-transformer.ts';
export { type MlpConfig, mlp } from './models/mlp.ts';
export { PYRAMIDNET_VARIANTS, type PyramidnetConfig, pyramidnet } from './models/pyramidnet.ts';
export { type RecurrentConfig, recurrentText } from './models/recurrent.ts';
export { RESNET_VARIANTS, type ResnetConfig, resnet } from './models/resnet.ts';
export { SWIN_VARIANTS, type SwinConfig, swin } from './models/swin.ts';
export { VGG_VARIANTS, type VggConfig, vgg } from './models/vgg.ts';
export { VIT_VARIANTS, type VitConfig, vit } from './models/vit.ts';
export { WIDE_RESNET_VARIANTS, type WideResnetConfig, wideResnet } from './models/wide-resnet.ts';
export type { Graph } from './onnx/graph.ts';
export * from './onnx/ops.ts';
export { print } from './onnx/print.ts';
export { read } from './onnx/read.ts';
export { type SerializeOptions, serialize } from './onnx/serialize.ts';
export type { Composite, Dim, DType, Shape, Value } from './onnx/value.ts';
export { type FinishOptions, finish, prepare, type Target } from './passes/finish.ts';
export { Random } from './random.ts';
export { DivergedError } from './run/trainer.ts';
export type { Device, Session, SessionOptions, Tensor } from './runtime/session.ts';
export type { ArtifactOptions, TaskStart, TrainingArtifacts } from './session/artifact-options.ts';
export { artifactsOf } from './session/artifacts.ts';
export type { FedTensor, Feeds, Fetches, RunOptions } from './session/feeds.ts';
export type { UriOrBuffer } from './session/files.ts';
export { type GenerateOptions, generateArtifacts } from './session/generate.ts';
export type { LossChoice, LossFunction, NamedLoss } from './session/losses.ts';
export type { TrainingSessionCreateOptions } from './session/open.ts';
export type { TrainingSessionOptions } from './session/options.ts';
export type { GrChoice, OptimizerOption } from './session/rules.ts';
export { type TrainingResults, TrainingSession } from './session/training-session.ts';
export { clipScale } from './step/clip.ts';
/** The language of update rules and regularizers. */
export * as step from './step/formula.ts';
export { type GrState, grSchedule } from './step/gr-warmup.ts';
export { createOptimizer, type Optimizer } from './step/optimizer.ts';
export type { Regularizer, UpdateRule } from './step/program.ts';
export { learningRateSchedule, type Schedule } from './step/schedule.ts';
export type { EvaluationRecord, TrainRecord } from './storage/metrics.ts';
export { type ClassificationOptions, classification } from './tasks/classification.ts';
export { taskOf } from './tasks/own.ts';
export { parseSpec } from './tasks/parse-spec.ts';
export { type RegressionLoss, type RegressionOptions, regression } from './tasks/regression.ts';
export type { ImageSpec, OnnxSpec, OwnSpec, Spec, TableSpec, TextSpec } from './tasks/spec.ts';
export type { Field, Fields, Metric, Outputs, Task, Term, Terms, Values } from './tasks/task.ts';
