/** The messages between the page for a file of one's own and its worker. */
import type { CHANNEL_ORDERS, TOKEN_KINDS } from '../../tasks/input-forms.ts';
import type { BackendName } from '../train/backend.ts';
import type { RunReply, RunRequest } from '../train/messages.ts';

/** A file as it was dropped or chosen: its path begins at the folder that was. */
export interface PickedFile {
  readonly path: string;
  readonly file: File;
}

export const LOSSES = ['cross-entropy', 'bce', 'next-token'] as const;
export const WHAT = ['head', 'all', 'pattern', 'lora'] as const;
export const NORMALIZATIONS = ['imagenet', 'unit', 'signed', 'none'] as const;

/** What a reader has chosen to train, and on what. */
export interface Choices {
  /** Sizes that the file leaves open, by name. */
  readonly dims: Readonly<Record<string, number>>;
  /** The output that the loss is of. */
  readonly output: string;
  readonly loss: (typeof LOSSES)[number];
  /** A new last layer alone, everything, what the pattern finds, or adapters where the pattern finds. */
  readonly what: (typeof WHAT)[number];
  readonly pattern: string;
  /** Of adapters. */
  readonly rank: number;
  /** Whether the last layer is made anew, with the classes of the data. */
  readonly newHead: boolean;
  /** What the file expects of pixels. */
  readonly normalization: (typeof NORMALIZATIONS)[number];
  readonly order: (typeof CHANNEL_ORDERS)[number];
  readonly tokens: (typeof TOKEN_KINDS)[number];
  /** The share of the examples that is not trained on, in (0, 1). */
  readonly heldOut: number;
}

/** What the page tells of a file. */
export interface ModelCard {
  readonly name: string;
  /** Titles, and the lines under them. */
  readonly rows: readonly (readonly [title: string, lines: readonly string[]])[];
  readonly outputs: readonly string[];
  /** Sizes that are to be chosen, with usual ones. */
  readonly sizes: Readonly<Record<string, number>>;
  /** What it learns from; undefined for what this page does not read. */
  readonly data: 'pictures' | 'texts' | undefined;
  /** What fits the file, to begin with. */
  readonly suggested: Pick<Choices, 'loss' | 'normalization' | 'tokens'>;
}

/** What the page tells of the data. */
export interface DataCard {
  readonly text: string;
  /** Classes, and how many examples each has. */
  readonly classes: readonly (readonly [name: string, count: number])[];
}

/** A message to the worker, besides those of every run. */
export type OwnRequest =
  | { readonly kind: 'model'; readonly files: readonly PickedFile[] }
  | { readonly kind: 'data'; readonly files: readonly PickedFile[] }
  /** Asks what these choices would train. */
  | { readonly kind: 'choose'; readonly choices: Choices }
  /** `settings`: options as in a `--config` file. */
  | {
      readonly kind: 'begin';
      readonly choices: Choices;
      readonly settings: object;
      readonly backend: BackendName;
    }
  | { readonly kind: 'tuned' }
  | { readonly kind: 'adapters' };

export type Request = OwnRequest | RunRequest;

/** A message from the worker. */
export type Reply =
  | RunReply
  | {
      readonly kind: 'ready';
      readonly backends: readonly { readonly name: BackendName; readonly label: string }[];
    }
  | { readonly kind: 'model'; readonly card: ModelCard }
  | { readonly kind: 'data'; readonly card: DataCard }
  /** What the choices train, or why they cannot. */
  | { readonly kind: 'planned'; readonly text: string; readonly isError: boolean };
