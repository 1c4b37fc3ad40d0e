/** What bench-log.ts times: reads the metrics of a run, as resuming it does or as reporting it does. */
import path from 'node:path';
import { writeReport } from '../../src/report/write.node.ts';
import { createSpikeMarks, SPIKE_WINDOW } from '../../src/run/diagnostics/spikes.ts';
import { lastMetrics, openMetricsLog } from '../../src/storage/metrics-log.node.ts';
import { METRICS_FILE } from '../../src/storage/run-archive.ts';

const [work = '', folder = '', steps = ''] = process.argv.slice(2);
const file = path.join(folder, METRICS_FILE);
const begin = performance.now();
if (work === 'resume') {
  openMetricsLog(file, { resumeAtStep: Number(steps) - 10 }).close();
  createSpikeMarks(lastMetrics(file, 'train', SPIKE_WINDOW));
} else await writeReport(folder, { name: 'a long run' });
console.log(JSON.stringify({ ms: performance.now() - begin, kilobytes: process.resourceUsage().maxRSS }));
