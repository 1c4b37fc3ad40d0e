/** One real training run in a process of its own, from a JSON config. Prints the estimate and the memory it took. */
import { readFileSync, writeFileSync } from 'node:fs';
import { configFor } from '../../src/config/config.ts';
import { prepareRun } from '../../src/run/prepare.node.ts';
import { trainRun } from '../../src/run/run.node.ts';

const [options = '{}', folder = ''] = process.argv.slice(2);
const stages: Record<string, number> = {};
const times: number[] = [];

/** The peak of resident bytes since the last call. */
function stage(name: string): void {
  const status = readFileSync('/proc/self/status', 'utf8');
  stages[name] = 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
  writeFileSync('/proc/self/clear_refs', '5');
}

const prepared = await prepareRun(configFor(JSON.parse(options)));
stage('prepared');
await trainRun(folder, prepared, {
  note: () => {},
  started: () => {
    stage('opened');
    times.push(performance.now());
  },
  step: ({ step }) => {
    stage(`step ${step}`);
    times.push(performance.now());
  },
  evaluated: () => stage('evaluated'),
  shouldStop: () => false,
});
stage('saved');
const { microBatch, memory } = prepared.config;
console.log(
  JSON.stringify({
    microBatch,
    memory,
    estimate: prepared.bytes,
    peak: Math.max(...Object.values(stages)),
    stages,
    ms: times.slice(1).map((time, i) => time - (times[i] ?? 0)),
  }),
);
