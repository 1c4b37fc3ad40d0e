/** `metrics.jsonl` on disk. */
import { eachLine, lastLines, openLines, readLines } from './json-lines.ts';
import { MetricsLine, metricsText, type RecordSink } from './metrics.ts';

/**
 * Opens a run's metrics file for writing; see `openLines`. A resumed run's reads as if it had never stopped
 * (`images_per_second` apart).
 *
 * @throws UserError where a new run finds a file, or a resumed one a broken line at its end
 */
export function openMetricsLog(path: string, at: { resumeAtStep?: number } = {}): RecordSink {
  const lines = openLines(path, MetricsLine, { ...at, holds: 'metrics' });
  return {
    write: (record) => lines.write(metricsText(record)),
    flush: lines.flush,
    close: lines.close,
  };
}

/** All complete lines of a metrics file, also of one still being written. @throws UserError naming a broken line */
export function readMetrics(path: string): MetricsLine[] {
  return readLines(path, MetricsLine);
}

/** The same one after the other: of a long run not all need be held. @throws UserError naming a broken line */
export function eachMetric(path: string): Generator<MetricsLine> {
  return eachLine(path, MetricsLine);
}

/** The last `count` lines of a split, of a file of any length at once. @throws UserError naming a broken line there */
export function lastMetrics(path: string, of: MetricsLine['split'], count: number): MetricsLine[] {
  return lastLines(path, MetricsLine, count, ({ split }) => split === of);
}
