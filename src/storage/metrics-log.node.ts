/** `metrics.jsonl` on disk. */
import { eachLine, lastLines, openLines, readLines } from './json-lines.node.ts';
import { MetricsLine, metricsText, type RecordSink } from './metrics.ts';

/**
 * Opens a run's metrics file for writing; see `openLines`. After a resume the file reads as if the run had never stopped,
 * except for `examples_per_second`.
 *
 * @throws UserError if a new run finds a file, or a resumed run a broken line at its end
 */
export function openMetricsLog(path: string, at: { resumeAtStep?: number } = {}): RecordSink {
  const lines = openLines(path, MetricsLine, { ...at, holds: 'metrics' });
  return {
    write: (record) => lines.write(metricsText(record)),
    flush: lines.flush,
    close: lines.close,
  };
}

/** All complete lines of a metrics file, which may still be being written. @throws UserError naming a broken line */
export function readMetrics(path: string): MetricsLine[] {
  return readLines(path, MetricsLine);
}

/** As `readMetrics`, one line at a time: a long file is never held whole. @throws UserError naming a broken line */
export function eachMetric(path: string): Generator<MetricsLine> {
  return eachLine(path, MetricsLine);
}

/** The last `count` lines of a split. Reads only the end of the file. @throws UserError naming a broken line there */
export function lastMetrics(path: string, of: MetricsLine['split'], count: number): MetricsLine[] {
  return lastLines(path, MetricsLine, count, ({ split }) => split === of);
}
