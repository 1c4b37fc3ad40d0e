/** By what number a study judges its runs, as something that is wrong: an error in per cent, a MAE. */
import { capitalized } from '../../counted.ts';
import {
  errorOf,
  judgeOf,
  labelWithUnit,
  lossInfo,
  type Measured,
  type MetricInfos,
  OLD_METRICS,
} from '../../metrics/info.ts';
import type { CellResult } from '../../study/results.node.ts';

export interface Judged {
  /** Such as `error` or `MAE`. */
  readonly label: string;
  /** With its unit: `error (%)`. */
  readonly axis: string;
  readonly isPercent: boolean;
  /** For a title: ` in percent`, or nothing. */
  readonly inUnit: string;
  /** Mostly lower. Of a number without a largest value, such as R², higher. */
  readonly better: 'higher' | 'lower';
  readonly value: (line: Measured) => number | null;
  /** What the loss is called, with its unit. */
  readonly lossAxis: string;
}

/** The number that judges all cells: of the metric that judges each; where these differ, of the loss, which all have. */
export function judgedBy(cells: readonly CellResult[]): Judged {
  const known = cells.flatMap(({ infos }) => (infos ? [infos] : []));
  const [first = OLD_METRICS] = known;
  const isShared = known.every((infos) => judgeOf(infos).name === judgeOf(first).name);
  return judgedOf(isShared ? first : []);
}

function judgedOf(infos: MetricInfos): Judged {
  const { label, unit, better, value } = errorOf(judgeOf(infos));
  const isPercent = unit === '%';
  return {
    label,
    axis: unit === undefined ? label : `${label} (${unit})`,
    isPercent,
    inUnit: isPercent ? ' in percent' : unit === undefined ? '' : ` in ${unit}`,
    better,
    value,
    lossAxis: labelWithUnit(lossInfo(infos)),
  };
}

/** Several of them, at the beginning of a sentence: `Errors`, `MAEs`. */
export function plural({ label }: Judged): string {
  return `${capitalized(label)}s`;
}

/** The decimals that tell the judged numbers of runs apart: two of per cent, else four digits of the largest. */
export function judgedDigits({ isPercent }: Judged, values: readonly (number | null)[]): number {
  const largest = Math.max(0, ...values.map((value) => Math.abs(value ?? 0)));
  if (isPercent || largest === 0) return 2;
  return Math.min(8, Math.max(0, 3 - Math.floor(Math.log10(largest))));
}
