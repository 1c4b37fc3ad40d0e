/** The messages between the page and its worker. */
import type { TrainConfig } from '../../config/config.ts';
import type { MetricsLine } from '../../storage/metrics.ts';
import type { BackendName } from './backend.ts';

/** What every page asks of its run. */
export type RunRequest = { readonly kind: 'go' | 'pause' | 'reset' };

/** A message to the worker of digits. It handles them one after the other, between steps of training. */
export type Request =
  /** Begins a new run, with options as in a `--config` file. */
  | { readonly kind: 'begin'; readonly settings: object; readonly backend: BackendName }
  /** Opens a run from an archive, or from the files of a checkpoint. */
  | { readonly kind: 'load'; readonly files: readonly File[]; readonly backend: BackendName }
  | RunRequest
  | { readonly kind: 'save' }
  | { readonly kind: 'export' }
  /** Asks for the logits of an image, uint8 [height, width]. */
  | { readonly kind: 'classify'; readonly pixels: Uint8Array };

export interface RunInfo {
  readonly config: TrainConfig;
  readonly stepsPerEpoch: number;
  readonly warmupSteps: number;
  readonly lastStep: number;
  readonly parameters: number;
  readonly step: number;
  readonly metrics: readonly MetricsLine[];
  /** A sentence that the reader should see; may be empty. */
  readonly note: string;
}

/** The images to train on, and the backends to train with. */
export interface Offer {
  readonly backends: readonly { readonly name: BackendName; readonly label: string }[];
  readonly train: number;
  readonly test: number;
  readonly fraction: number;
  readonly classes: readonly string[];
}

/** A message from a worker about its run. */
export type RunReply =
  /** The worker is doing something that takes a while. `text` says what. */
  | { readonly kind: 'busy'; readonly text: string }
  | { readonly kind: 'opened'; readonly run: RunInfo }
  | { readonly kind: 'running' }
  | { readonly kind: 'progress'; readonly step: number; readonly lines: readonly MetricsLine[] }
  | { readonly kind: 'paused'; readonly step: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'file'; readonly name: string; readonly content: Blob }
  | { readonly kind: 'failed'; readonly message: string };

/** A message from the worker of digits. */
export type Reply =
  | RunReply
  | { readonly kind: 'ready'; readonly offer: Offer }
  | { readonly kind: 'answered'; readonly logits: Float32Array; readonly milliseconds: number };
