/** What dropout costs: the network with it beside the same without, in the same rounds, ours and PyTorch's. */
import { median } from '../../src/median.ts';
import { compareResults, TOLERANCE } from './compare.ts';
import type { VitNetwork } from './network.ts';
import { type Subject, startSubject, type Work } from './protocol.ts';
import { after, runRounds, type Sample } from './rounds.ts';
import { fixed, type Section } from './section.ts';
import { type Settings, setStage, startOurs, startYardstick } from './stage.ts';
import { medianRatio } from './statistics.ts';

export interface DropoutRow {
  readonly network: string;
  readonly work: Work;
  readonly subject: string;
  readonly dropout: number;
  readonly median_ms: number;
  readonly peak_mb: number;
  /** Time and memory over those of the same subject without dropout; 1 without. */
  readonly time_ratio: number;
  readonly memory_ratio: number;
}

interface Contender {
  readonly dropout: number;
  readonly subject: Subject;
}

/** Throws where a peer's numbers are not ours: with dropout they are compared on the masks that ours draws. */
export async function benchDropout(
  network: VitNetwork,
  work: Work,
  dropout: number,
  settings: Settings,
): Promise<{ readonly section: Section; readonly rows: readonly DropoutRow[] }> {
  const yardstick = await startYardstick(settings);
  const contenders: Contender[] = [];
  const notes: string[] = [];
  try {
    for (const rate of [0, dropout]) {
      contenders.push(...(await startBoth(network, work, rate, settings, notes)));
    }
    const samples = await runRounds(contenders, after(yardstick), settings.rounds, {
      progress: settings.progress,
      failed: ({ subject }, why) => notes.push(`${subject.name} failed: ${why}`),
    });
    const rows = contenders.flatMap((contender) => {
      const without = contenders.find((each) => each.subject.name === contender.subject.name);
      const [own, base] = [samples.get(contender), without && samples.get(without)];
      return own && base ? [rowOf(network, work, contender, own, base)] : [];
    });
    return { rows, section: section(`${network.label}, ${work}: dropout`, rows, notes) };
  } finally {
    await Promise.all([yardstick, ...contenders.map(({ subject }) => subject)].map((each) => each.close()));
  }
}

/** Ours, and PyTorch where it is among the peers. */
async function startBoth(
  { label, spec, batch }: VitNetwork,
  work: Work,
  dropout: number,
  settings: Settings,
  notes: string[],
): Promise<Contender[]> {
  const model = { ...spec.model, dropout };
  const stage = setStage({ label: `${label} dropout ${dropout}`, spec: { ...spec, model }, batch }, settings);
  const started: Contender[] = [];
  const start = async (subject: Subject): Promise<Subject> => {
    started.push({ dropout, subject });
    await subject.load(stage.job(work));
    return subject;
  };
  try {
    const ours = await start(startOurs());
    for (const { name, command, args } of settings.peers.filter((peer) => peer.name === 'PyTorch')) {
      const error = await compareResults(await start(startSubject(name, command, args)), ours, stage.folder);
      const agree = `dropout ${dropout}: loss, norm and every gradient tensor agree with ${name} to ${error.toExponential(1)} relative`;
      if (!(error < TOLERANCE)) throw new Error(agree.replace('agree with', 'do not agree with'));
      notes.push(agree);
    }
    return started;
  } catch (error) {
    await Promise.all(started.map(({ subject }) => subject.close()));
    throw error;
  }
}

function rowOf(
  { label }: VitNetwork,
  work: Work,
  { dropout, subject }: Contender,
  own: readonly Sample[],
  without: readonly Sample[],
): DropoutRow {
  const times = (samples: readonly Sample[]) => samples.map(({ ms }) => ms);
  const peak = (samples: readonly Sample[]) => Math.max(...samples.map((each) => each.peak));
  return {
    ...{ network: label, work, subject: subject.name, dropout },
    median_ms: median(times(own)),
    peak_mb: peak(own) / 1e6,
    time_ratio: medianRatio(times(own), times(without)),
    memory_ratio: peak(own) / peak(without),
  };
}

function section(title: string, rows: readonly DropoutRow[], notes: readonly string[]): Section {
  return {
    title,
    head: ['by', 'dropout', 'ms', '÷ without', 'MB', '÷ without'],
    words: 1,
    rows: rows.map((row) => [
      ...[row.subject, String(row.dropout), fixed(row.median_ms, row.median_ms < 100 ? 1 : 0)],
      ...[fixed(row.time_ratio, 2, '×'), fixed(row.peak_mb), fixed(row.memory_ratio, 2, '×')],
    ]),
    notes,
  };
}
