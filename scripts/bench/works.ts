/** The main table: every kind of work of one network, done by ortgrad and by its peers. */

import { median } from '../../src/median.ts';
import { compareResults, toleranceOf } from './compare.ts';
import type { Network } from './network.ts';
import type { Peer } from './peers.ts';
import { type Subject, startSubject, type Work } from './protocol.ts';
import { after, runRounds, type Sample, YARDSTICK_FLOPS } from './rounds.ts';
import { fixed, percent, type Section } from './section.ts';
import { reasonOf, type Settings, type Stage, setStage, startOurs, startYardstick } from './stage.ts';
import { medianRatio } from './statistics.ts';

export interface WorkRow {
  readonly network: string;
  readonly work: Work;
  readonly subject: string;
  readonly median_ms: number;
  readonly min_ms: number;
  readonly gflops: number;
  /** The arithmetic rate over that of the 2048×2048 product before it. */
  readonly gemm_share: number;
  readonly peak_mb: number;
  /** The peer's time over ortgrad's, in the same rounds. */
  readonly over_ours?: number;
  /** The time of clipping, AdamW and scores, in ortgrad's training step. */
  readonly update_ms?: number;
}

export interface SetUp {
  readonly network: string;
  readonly graph: string;
  /** From the spec to the bytes of the file. */
  readonly generate_ms: number;
  readonly generate_warm_ms: number | null;
  readonly create_ms: number;
  readonly create_warm_ms: number | null;
}

export interface WorksResult {
  readonly section: Section;
  readonly rows: readonly WorkRow[];
  readonly setUp: readonly SetUp[];
}

/** Up to this many parameters, all kinds of work of all subjects fit into memory together. */
const SMALL = 15e6;

interface Contender {
  readonly work: Work;
  readonly subject: Subject;
  readonly peer: boolean;
}

export async function benchWorks(
  network: Network,
  works: readonly Work[],
  settings: Settings,
): Promise<WorksResult> {
  const stage = setStage(network, settings);
  const groups = stage.inputs.parameterCount <= SMALL ? [works] : works.map((work) => [work]);
  const rows: WorkRow[] = [];
  const setUp: SetUp[] = [];
  const notes: string[] = [];
  const yardsticks: number[] = [];
  const yardstick = await startYardstick(settings);
  try {
    for (const group of groups)
      await benchGroup(group, { stage, settings, yardstick, rows, setUp, notes, yardsticks });
  } finally {
    await yardstick.close();
  }
  for (const { work, update_ms = 0, median_ms } of rows.filter((row) => row.update_ms !== undefined)) {
    notes.push(
      `${work}: clipping, AdamW and scores take ${update_ms.toFixed(1)} ms, ${percent(update_ms / median_ms)} of it`,
    );
  }
  if (yardsticks.length > 0)
    notes.push(
      `MatMul 2048³ between them: ${fixed(YARDSTICK_FLOPS / median(yardsticks) / 1e6)} GFLOP/s, median`,
    );
  for (const { graph, generate_ms, generate_warm_ms, create_ms, create_warm_ms } of setUp) {
    notes.push(
      `${graph}: generated in ${fixed(generate_ms)} ms${warm(generate_warm_ms)}, session created in ${fixed(create_ms)} ms${warm(create_warm_ms)}`,
    );
  }
  return { section: section(network.label, rows, notes), rows, setUp };
}

const warm = (ms: number | null) => (ms === null ? '' : ` (warm: ${fixed(ms)})`);

interface Context {
  readonly stage: Stage;
  readonly settings: Settings;
  readonly yardstick: Subject;
  readonly rows: WorkRow[];
  readonly setUp: SetUp[];
  readonly notes: string[];
  /** Milliseconds. */
  readonly yardsticks: number[];
}

async function benchGroup(group: readonly Work[], context: Context): Promise<void> {
  const { stage, settings, yardstick, notes } = context;
  const contenders: Contender[] = [];
  try {
    for (const work of group) contenders.push(...(await startWork(work, context)));
    const samples = await runRounds(contenders, after(yardstick), settings.rounds, {
      progress: settings.progress,
      failed: ({ work, subject }, why) => notes.push(`${work}: ${subject.name} failed: ${why}`),
    });
    for (const contender of contenders) {
      const own = samples.get(contender);
      const ours = contenders.find(({ work, peer }) => work === contender.work && !peer);
      if (own) context.rows.push(rowOf(stage, contender, own, ours && samples.get(ours)));
    }
    settings.progress('creating sessions');
    for (const contender of contenders) {
      const first = samples.get(contender)?.at(-1)?.create;
      if (first === undefined) continue;
      if (!contender.peer) await recordSetUp(contender, first, context);
      else if (first > 0)
        notes.push(
          `${contender.work}: ${contender.subject.name} was ready after ${fixed(first / 1000, 1)} s`,
        );
    }
    context.yardsticks.push(...[...samples.values()].flat().map(({ yardstick: ms }) => ms));
    const threads = [...samples.values()].flat()[0]?.threads;
    if (settings.runtime === 'wasm' && context.setUp.length > 0)
      notes.push(`wasm: ${threads} of ${settings.threads} threads`);
  } finally {
    await Promise.all(contenders.map(({ subject }) => subject.close()));
  }
}

/** ortgrad and the peers that compute the same numbers. */
async function startWork(
  work: Work,
  { stage, settings, notes }: Pick<Context, 'stage' | 'settings' | 'notes'>,
): Promise<Contender[]> {
  const ours = startOurs();
  const started: Contender[] = [{ work, subject: ours, peer: false }];
  try {
    settings.progress(`${work}: loading`);
    await ours.load(stage.job(work));
    if (settings.peers.length > 0) await ours.run();
  } catch (error) {
    notes.push(`${work}: left out: ${reasonOf(error)}`);
    await ours.close();
    return [];
  }
  for (const peer of settings.peers.filter(({ works }) => works.includes(work))) {
    const subject = startSubject(peer.name, peer.command, peer.args);
    try {
      settings.progress(`${work}: ${peer.name}`);
      await subject.load(peerJob(stage, work, peer));
      const error = await compareResults(subject, ours, stage.folder);
      if (!(error < toleranceOf(stage.network.spec.model.kind)))
        throw new Error(`its results differ from ours by ${error.toExponential(1)} relative`);
      notes.push(
        `${work}: ${work === 'forward' ? 'logits' : 'loss, norm and every gradient tensor'} agree with ${peer.name} to ${error.toExponential(1)} relative`,
      );
      started.push({ work, subject, peer: true });
    } catch (error) {
      notes.push(`${work}: ${peer.name} is left out: ${reasonOf(error)}`);
      await subject.close();
    }
  }
  return started;
}

function peerJob(stage: Stage, work: Work, { name }: Peer) {
  const job = stage.job(work);
  return name === 'ORT training' ? { ...job, files: { loss: stage.graph('loss', {}).file } } : job;
}

function rowOf(
  stage: Stage,
  { work, subject, peer }: Contender,
  samples: readonly Sample[],
  ours: readonly Sample[] | undefined,
): WorkRow {
  const times = samples.map(({ ms }) => ms);
  const flops = stage.flops(work);
  return {
    network: stage.network.label,
    work,
    subject: subject.name,
    median_ms: median(times),
    min_ms: Math.min(...times),
    gflops: flops / median(times) / 1e6,
    gemm_share: median(samples.map(({ ms, yardstick }) => flops / ms / (YARDSTICK_FLOPS / yardstick))),
    peak_mb: Math.max(...samples.map(({ peak }) => peak)) / 1e6,
    ...(peer && ours
      ? {
          over_ours: medianRatio(
            times,
            ours.map(({ ms }) => ms),
          ),
        }
      : {}),
    ...(!peer && work === 'train-step' ? { update_ms: median(samples.map(({ update }) => update)) } : {}),
  };
}

const CREATIONS = 3;

async function recordSetUp(
  { work, subject }: Contender,
  first: number,
  { stage, settings, setUp, notes }: Context,
): Promise<void> {
  const name = work === 'exact' && settings.microBatch === undefined ? 'gr-exact' : 'loss-grad';
  if (work !== 'exact' && work !== 'gradient') return;
  try {
    const times: number[] = [];
    while (times.length < CREATIONS) times.push(await subject.create());
    const { first: generate, warm: again } = stage.graph(name);
    setUp.push({
      network: stage.network.label,
      graph: name,
      generate_ms: generate,
      generate_warm_ms: again,
      create_ms: first,
      create_warm_ms: median(times),
    });
  } catch (error) {
    notes.push(`${work}: no second session: ${reasonOf(error)}`);
  }
}

function section(title: string, rows: readonly WorkRow[], notes: readonly string[]): Section {
  return {
    title,
    head: ['work', 'by', 'ms', 'min', 'GFLOP/s', 'of GEMM', 'MB', '÷ ours'],
    words: 2,
    rows: rows.map((row) => [
      row.work,
      row.subject,
      fixed(row.median_ms, row.median_ms < 100 ? 1 : 0),
      fixed(row.min_ms, row.min_ms < 100 ? 1 : 0),
      fixed(row.gflops),
      percent(row.gemm_share),
      fixed(row.peak_mb),
      fixed(row.over_ours, 2, '×'),
    ]),
    notes,
  };
}
