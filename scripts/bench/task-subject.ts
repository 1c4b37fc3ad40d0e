/** One real training run in a process of its own, from a JSON config, as bench-tasks.ts asks for it. Linux only. */
import { readFileSync } from 'node:fs';
import { configFor } from '../../src/config/config.ts';
import { prepareRun } from '../../src/run/prepare.node.ts';
import { trainRun } from '../../src/run/run.node.ts';
import type { TaskRun } from './task-runs.ts';

const [options = '{}', folder = ''] = process.argv.slice(2);
const losses: number[] = [];
let metrics: Readonly<Record<string, number>> = {};
let start = Number.NaN;
let cpu = process.cpuUsage();

await trainRun(folder, await prepareRun(configFor(JSON.parse(options))), {
  started() {
    start = performance.now();
    cpu = process.cpuUsage();
  },
  step: ({ loss }) => losses.push(loss),
  evaluated({ split, loss, metrics: told }) {
    if (split === 'test') metrics = { loss, ...told };
  },
});
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpu);
const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
const run: TaskRun = { losses, metrics, seconds, cpu: (user + system) / 1e6, peak: 1024 * Number(kilobytes) };
console.log(JSON.stringify(run));
