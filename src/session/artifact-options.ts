/** What artifacts are, and how they are asked for. Also for browsers. */
import type { MemoryLevel } from '../artifacts/graphs.ts';
import type { RateGroup } from '../fit/types.ts';
import type { Target } from '../passes/finish.ts';
import type { TrainingDocument } from './document.ts';
import type { GrChoice, OptimizerOption } from './rules.ts';

/** What `TrainingSession.create` takes: all of it plain bytes. */
export interface TrainingArtifacts {
  /** A safetensors file: the weights to begin with, by path. */
  readonly checkpointState: Uint8Array;
  /** An ONNX file: the loss and its gradient, and in its metadata what a session must know. */
  readonly trainModel: Uint8Array;
  /** An ONNX file: loss and outputs without dropout and the like, for any number of examples. */
  readonly evalModel: Uint8Array;
  /** An ONNX file: the update rule over flat vectors. */
  readonly optimizerModel: Uint8Array;
  /** An ONNX file: what comes before all that is trained, as it was. Missing where everything is lowered. */
  readonly trunkModel?: Uint8Array;
  /** The file that all was made from: with it a session takes batches of any size, and exports that file, trained. */
  readonly forwardModel?: Uint8Array;
}

/** How artifacts are written; all has a default. */
export interface ArtifactOptions {
  /** Variables whose paths it finds are trained, and no others; all where it is left out. */
  readonly trainable?: RegExp;
  /** Variables whose paths it finds stay as they are. */
  readonly frozen?: RegExp;
  /** `adamw` where it is left out. */
  readonly optimizer?: OptimizerOption;
  /** The largest norm of a gradient; 0, where it is left out, does not clip. */
  readonly clip?: number;
  /** Gradient regularization; none where it is left out. */
  readonly gr?: GrChoice;
  /** Factors of the rates by path; the first group that matches counts. */
  readonly groups?: readonly RateGroup[];
  /** Examples that the graphs in the file take at once, 32 where it is left out; several, for batches of several sizes. */
  readonly batchSize?: number | readonly number[];
  /** What runs them: `webgpu` keeps to what WebGPU has. `cpu` where it is left out. */
  readonly target?: Target;
  /** Memory for time; `fast` where it is left out. */
  readonly memory?: MemoryLevel;
  /** The output that is the loss; `loss` where it is left out. */
  readonly lossName?: string;
  /** Outputs of the model that a training step gives besides its loss; none where it is left out. */
  readonly additionalOutputs?: readonly string[];
  readonly name?: string;
}

/** What the task of artifacts begins with, and what is known of its fields. */
export interface TaskStart {
  /** By path; what is not here begins as the task says, from the seed. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
  /** 0 where it is left out. */
  readonly seed?: number;
  readonly labels?: TrainingDocument['labels'];
  /** Paths in the order of parameter buffers; the others come after these. */
  readonly order?: readonly string[];
  /** How the task follows from a file. */
  readonly recipe?: TrainingDocument['recipe'];
  /** That file with other weights. */
  readonly exported?: (values: ReadonlyMap<string, Float32Array>) => Uint8Array;
}
