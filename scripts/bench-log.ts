/**
 * `npm run bench:log`: what it costs to read the metrics of a long run, to resume it and to report it. Each is measured
 * in a process of its own.
 */
import { execFile } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable } from '../src/config/options.ts';
import { type MetricsRecord, metricsText } from '../src/storage/metrics.ts';
import { CONFIG_FILE, METRICS_FILE } from '../src/storage/run-archive.ts';

const TABLE = {
  steps: integer({ min: 1 }, { group: 'Benchmark', help: 'Steps of the run.', default: 235_000 }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** The process prints its milliseconds and its peak of resident memory in kB. */
const SUBJECT = new URL('bench/log-subject.ts', import.meta.url).pathname;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Times reading the metrics of a run with many steps, to resume it and to report it.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:log -- [--steps N]', examples: [] }));
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-log-'));
  try {
    writeFileSync(path.join(folder, CONFIG_FILE), '{}');
    const file = path.join(folder, METRICS_FILE);
    writeRun(file, values.steps);
    console.log(`${values.steps.toLocaleString('en')} steps, ${Math.round(statSync(file).size / 1e6)} MB`);
    for (const work of ['resume', 'report']) {
      const command = ['--conditions=source', '--import=tsx', SUBJECT, work, folder, String(values.steps)];
      const { stdout } = await promisify(execFile)(process.execPath, command);
      const { ms, kilobytes } = JSON.parse(stdout);
      console.log(`${work}: ${(ms / 1000).toFixed(2)} s, ${Math.round(kilobytes / 1e3)} MB at the peak`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Writes made-up metrics: numbers have as many digits as real ones, and every 1,000th step has a test. */
function writeRun(path: string, steps: number): void {
  const file = openSync(path, 'w');
  let lines: string[] = [];
  for (let step = 1; step <= steps; step++) {
    const where = { step, epoch: step / 1000 };
    const [loss, top1, grad_norm] = [1 + Math.sin(step) ** 2, Math.cos(step) ** 2, 2 + Math.sin(step / 7)];
    const scores = { loss, metrics: { top1, top5: 1 }, examples_per_second: 600 + 40 * Math.sin(step) };
    const gradient = { grad_norm, gr_grad_norm: 1.1 * grad_norm, lr: 1e-3 * top1 };
    const records: MetricsRecord[] = [
      { split: 'train', ...where, ...scores, ...gradient, lambda: 0.1, r: null, alpha: null, spike: null },
      ...(step % 1000 === 0 ? [{ split: 'test', ...where, ...scores } as const] : []),
    ];
    lines.push(...records.map((record) => `${metricsText(record)}\n`));
    if (lines.length < 10_000 && step < steps) continue;
    writeSync(file, lines.join(''));
    lines = [];
  }
  closeSync(file);
}
