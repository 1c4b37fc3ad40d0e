/** Where the time of a run goes, by ONNX Runtime's own profile of the graph. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { median } from '../../src/median.ts';
import type { Network } from './network.ts';
import type { Work } from './protocol.ts';
import { fixed, percent, type Section } from './section.ts';
import { type Settings, setStage, startOurs } from './stage.ts';
import { partOf, readTrace, type Share, sharesBy } from './trace.ts';

export interface ProfileResult {
  readonly network: string;
  readonly work: Work;
  /** The time from the call to its results, measured in JavaScript. */
  readonly wall_ms: number;
  readonly run_ms: number;
  readonly kernels_ms: number;
  readonly by_op: readonly Share[];
  readonly by_part: readonly Share[];
}

const MOST_ROWS = 25;

export async function benchProfile(
  network: Network,
  work: Work,
  settings: Settings,
): Promise<{ readonly sections: readonly Section[]; readonly profile: ProfileResult }> {
  const stage = setStage(network, settings);
  const subject = startOurs();
  const prefix = `profile-${work}`;
  const walls: number[] = [];
  try {
    await subject.load(stage.job(work, { profile: path.join(stage.folder, prefix) }));
    for (let i = 0; i <= settings.rounds.counted; i++) {
      settings.progress(`${work}: run ${i + 1} of ${settings.rounds.counted + 1}`);
      walls.push((await subject.run()).ms);
    }
    await subject.release();
  } finally {
    await subject.close();
  }
  const file = readdirSync(stage.folder).find((name) => name.startsWith(prefix) && name.endsWith('.json'));
  if (file === undefined) throw new Error(`${work}: ONNX Runtime wrote no profile`);
  const trace = readTrace(JSON.parse(readFileSync(path.join(stage.folder, file), 'utf8')));
  const byOp = sharesBy(trace, ({ op }) => op);
  const byPart = sharesBy(trace, ({ node }) => partOf(node));
  const profile: ProfileResult = {
    network: network.label,
    work,
    wall_ms: median(walls.slice(1)),
    run_ms: median(trace.runs) / 1000,
    kernels_ms: byOp.reduce((sum, { ms }) => sum + ms, 0),
    by_op: byOp,
    by_part: byPart,
  };
  return { profile, sections: sectionsOf(profile) };
}

function sectionsOf({
  network,
  work,
  wall_ms,
  run_ms,
  kernels_ms,
  by_op,
  by_part,
}: ProfileResult): Section[] {
  const outside = Math.max(0, 1 - kernels_ms / wall_ms);
  const table = (by: string, shares: readonly Share[], notes: readonly string[]): Section => ({
    title: `${network}, ${work}: time by ${by}`,
    head: [by, 'nodes', 'ms', 'share', 'GFLOP/s of products'],
    words: 1,
    rows: shares
      .slice(0, MOST_ROWS)
      .map(({ name, count, ms, share, gflops }) => [
        name,
        fixed(count),
        fixed(ms, 2),
        fixed(100 * share, 1, ' %'),
        fixed(gflops ?? undefined),
      ]),
    notes: [...rest(shares), ...notes],
  });
  return [
    table('op', by_op, [
      `a step takes ${fixed(wall_ms, 1)} ms: ${fixed(run_ms, 1)} ms in ONNX Runtime's run, of which ${fixed(kernels_ms, 1)} ms in kernels; ${percent(outside)} lies outside of kernels (mean over runs without the first, profiler on)`,
    ]),
    table('part', by_part, []),
  ];
}

function rest(shares: readonly Share[]): string[] {
  const others = shares.slice(MOST_ROWS);
  if (others.length === 0) return [];
  const share = others.reduce((sum, each) => sum + each.share, 0);
  return [`${others.length} others take ${fixed(100 * share, 1)} %`];
}
