/** `metrics.jsonl` on disk. */
import { openLines, readLines } from './json-lines.ts';
import { MetricsLine, metricsText, type RecordSink } from './metrics.ts';

/**
 * Opens a run's metrics file for writing; see `openLines`. A resumed run's reads as if it had never stopped
 * (`images_per_second` apart).
 *
 * @throws UserError where a new run finds a file, or a resumed one a broken line
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
