/** What a study has measured so far, as its report needs it. */
import type { DatasetName } from '../datasets/dataset.ts';
import type { TrainConfig } from '../train/config.ts';
import type { DiagnosticsLine } from '../train/diagnostics/log.ts';
import type { MetricsLine } from '../train/metrics.ts';

export interface CellResult {
  /** Also its folder's name. */
  readonly id: string;
  readonly config: TrainConfig;
  readonly dataset: DatasetName;
  /** For display: the graph's name without the dataset. */
  readonly model: string;
  /** Images trained on; null where it never began. */
  readonly trainImages: number | null;
  /** Unfinished: not begun, or interrupted. */
  readonly state: 'done' | 'diverged' | 'failed' | 'unfinished';
  /** Why it diverged or failed. */
  readonly message: string | null;
  readonly warmupSteps: number | null;
  readonly totalSteps: number | null;
  readonly metrics: readonly MetricsLine[];
  readonly diagnostics: readonly DiagnosticsLine[];
}

export interface StudyResults {
  readonly name: string;
  readonly about: string;
  readonly command: string;
  readonly cells: readonly CellResult[];
}

/** Of the study in this folder, also while it is running. */
export async function readStudy(folder: string): Promise<StudyResults> {
  throw new Error(`internal: ${folder}: reading a study is not written yet`);
}
