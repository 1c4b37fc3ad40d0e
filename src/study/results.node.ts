/** Reads a study from its folder, finished or not. Its report is made from this. */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { openGraph } from '../artifacts/store.node.ts';
import { readJsonFile } from '../json-file.node.ts';
import { type MetricInfos, OLD_METRICS } from '../metrics/info.ts';
import { type DiagnosticsLine, readDiagnostics } from '../storage/diagnostics-log.node.ts';
import type { MetricsLine } from '../storage/metrics.ts';
import { readMetrics } from '../storage/metrics-log.node.ts';
import type { Comparison } from './compare.ts';
import { type Axis, type Cell, expandDesign, parseDesign } from './design.ts';
import { type CellOutcome, readOutcome } from './outcome.node.ts';
import { modelName } from './plan.node.ts';
import { cellFolder } from './runner.node.ts';

/** The file of the design in a study's folder. `--config` takes it too. */
export const DESIGN_FILE = 'study.json';

export interface CellResult extends Cell {
  readonly dataset: string;
  /** The graph's name without the dataset. */
  readonly model: string;
  /** The kind of network, such as `vit`, of which models are sizes; `own` where it is not one of ours. */
  readonly architecture: string;
  /** `unfinished`: not begun, or interrupted. */
  readonly state: CellOutcome['state'] | 'unfinished';
  /** Why the cell diverged or failed; null where it did not. */
  readonly message: string | null;
  /** Training examples in an epoch. This and the two numbers of steps are null where the cell is not over. */
  readonly trainExamples: number | null;
  readonly warmupSteps: number | null;
  readonly totalSteps: number | null;
  readonly metrics: readonly MetricsLine[];
  /** How they are shown; null where the cell did not end well. */
  readonly infos: MetricInfos | null;
  readonly diagnostics: readonly DiagnosticsLine[];
}

export interface StudyResults {
  readonly name: string;
  readonly about: string;
  /** The command that began the study. */
  readonly command: string;
  readonly axes: readonly Axis[];
  /** The comparisons that the design plans. */
  readonly compare: readonly Comparison[];
  readonly cells: readonly CellResult[];
}

/** Reads a study's folder. Throws a UserError where it is no study, or a file in it is broken. */
export async function readStudy(folder: string): Promise<StudyResults> {
  const file = join(folder, DESIGN_FILE);
  const design = parseDesign(await readJsonFile(file), file);
  const { cells, axes } = expandDesign(design, file);
  return {
    name: basename(resolve(folder)),
    about: design.about,
    command: design.command ?? '',
    axes,
    compare: design.compare,
    cells: await Promise.all(cells.map((cell) => readCell(cellFolder(folder, cell), cell))),
  };
}

async function readCell(folder: string, cell: Cell): Promise<CellResult> {
  const { spec, name } = await openGraph(cell.config.graph);
  const read = <T>(file: string, reader: (path: string) => T[]): T[] =>
    existsSync(join(folder, file)) ? reader(join(folder, file)) : [];
  const metrics = read('metrics.jsonl', readMetrics);
  const outcome = await readOutcome(folder);
  return {
    ...cell,
    dataset: spec.dataset,
    model: modelName(name, spec.dataset),
    architecture: 'model' in spec && typeof spec.model === 'object' ? spec.model.kind : 'own',
    ...endOf(outcome, metrics),
    trainExamples: outcome?.trainExamples ?? null,
    warmupSteps: outcome?.warmupSteps ?? null,
    totalSteps: outcome?.totalSteps ?? null,
    metrics,
    infos: infosOf(outcome),
    diagnostics: read('diagnostics.jsonl', readDiagnostics),
  };
}

/** The run of an old outcome measured what all did then. */
function infosOf(outcome: CellOutcome | undefined): MetricInfos | null {
  return outcome?.state === 'done' ? (outcome.metrics ?? OLD_METRICS) : null;
}

/** How a cell ended. A run whose last measurement is not finite has diverged, even where its outcome is `done`. */
function endOf(
  outcome: CellOutcome | undefined,
  metrics: readonly MetricsLine[],
): Pick<CellResult, 'state' | 'message'> {
  if (outcome === undefined) return { state: 'unfinished', message: null };
  const last = metrics.findLast(({ split }) => split !== 'train');
  return outcome.state === 'done' && last?.loss === null
    ? { state: 'diverged', message: `step ${last.step}: the loss of the last evaluation is not finite` }
    : { state: outcome.state, message: outcome.message };
}
