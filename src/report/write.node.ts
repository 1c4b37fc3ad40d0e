import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { optionsInEffect } from '../config/config.ts';
import { show, UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { readMetricInfos } from '../storage/checkpoint-folder.node.ts';
import { readDiagnostics } from '../storage/diagnostics-log.node.ts';
import { eachMetric } from '../storage/metrics-log.node.ts';
import { CONFIG_FILE, METRICS_FILE } from '../storage/run-archive.ts';
import { writeWhole } from '../whole-file.node.ts';
import { type ReportInput, renderReport } from './page.node.ts';
import { thinMetrics } from './thin-metrics.ts';

/** The report's file in a run's folder. */
export const REPORT_FILE = 'report.html';

/**
 * Writes `report.html` into a run's folder. It is made from `metrics.jsonl`, `config.json`, `diagnostics.jsonl` where
 * there is one, what the last checkpoint says of the metrics, and what the caller adds.
 *
 * @returns the page's path
 * @throws UserError where a file is missing or broken
 */
export async function writeReport(
  runFolder: string,
  rest: Omit<ReportInput, 'metrics' | 'infos' | 'diagnostics' | 'config'>,
): Promise<string> {
  const metrics = thinMetrics(eachMetric(join(runFolder, METRICS_FILE)));
  const watched = join(runFolder, 'diagnostics.jsonl');
  const diagnostics = existsSync(watched) ? readDiagnostics(watched) : [];
  const config = await readConfig(join(runFolder, CONFIG_FILE));
  const infos = await readMetricInfos(runFolder);
  const path = join(runFolder, REPORT_FILE);
  await writeWhole(path, renderReport({ ...rest, metrics, infos, diagnostics, config }));
  return path;
}

/** The config without options that have no effect. */
async function readConfig(path: string): Promise<object> {
  const config = await readJsonFile(path);
  if (typeof config === 'object' && config !== null && !Array.isArray(config))
    return optionsInEffect({ ...config });
  throw new UserError(`${path}: expected a JSON object, got ${show(config)}`);
}
