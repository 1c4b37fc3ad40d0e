/** What the page and its worker tell each other. */
import type { TrainConfig } from '../../train/config.ts';
import type { MetricsLine } from '../../train/metrics.ts';
import type { BackendName } from './backend.ts';

/** To the worker, which does one after the other, between steps of training. */
export type Request =
  /** A new run, by options as in a `--config` file. */
  | { readonly kind: 'begin'; readonly settings: object; readonly backend: BackendName }
  /** A run from files: an archive, or those of a checkpoint. */
  | { readonly kind: 'load'; readonly files: readonly File[]; readonly backend: BackendName }
  | { readonly kind: 'go' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'save' }
  | { readonly kind: 'export' }
  /** uint8 [height, width]. */
  | { readonly kind: 'classify'; readonly pixels: Uint8Array };

export interface RunInfo {
  readonly config: TrainConfig;
  readonly stepsPerEpoch: number;
  readonly warmupSteps: number;
  readonly lastStep: number;
  readonly parameters: number;
  readonly step: number;
  readonly metrics: readonly MetricsLine[];
  /** What the reader should know of it. */
  readonly note: string;
}

/** What there is to train, and to train with. */
export interface Offer {
  readonly backends: readonly { readonly name: BackendName; readonly label: string }[];
  readonly train: number;
  readonly test: number;
  readonly fraction: number;
  readonly classes: readonly string[];
}

/** From the worker. */
export type Reply =
  | { readonly kind: 'ready'; readonly offer: Offer }
  /** It is doing something that takes a while. */
  | { readonly kind: 'busy'; readonly text: string }
  | { readonly kind: 'opened'; readonly run: RunInfo }
  | { readonly kind: 'running' }
  | { readonly kind: 'progress'; readonly step: number; readonly lines: readonly MetricsLine[] }
  | { readonly kind: 'paused'; readonly step: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'file'; readonly name: string; readonly content: Blob }
  | { readonly kind: 'answered'; readonly logits: Float32Array; readonly milliseconds: number }
  | { readonly kind: 'failed'; readonly message: string };
