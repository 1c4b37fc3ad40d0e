/** What each pass gains: measures the graph without it beside the full graph, in the same rounds. */

import { median } from '../../src/median.ts';
import { PASS_NAMES, type PassName } from '../../src/passes/finish.ts';
import { compareResults, TOLERANCE } from './compare.ts';
import type { Network } from './network.ts';
import type { Subject, Work } from './protocol.ts';
import { after, runRounds, type Sample } from './rounds.ts';
import { fixed, type Section } from './section.ts';
import { reasonOf, type Settings, type Stage, setStage, startOurs, startYardstick } from './stage.ts';
import { medianRatio } from './statistics.ts';

export interface AblationRow {
  readonly network: string;
  readonly work: Work;
  /** The pass that is left out; null in the row of the full graph. */
  readonly without: PassName | null;
  readonly median_ms: number;
  readonly peak_mb: number;
  /** Time and memory over those of the full graph. */
  readonly time_ratio: number;
  readonly memory_ratio: number;
  /** The largest relative difference of a tensor from the full graph's. */
  readonly difference: number;
}

/** How many variants are in memory at once, beside the full graph. */
const GROUP = 3;

interface Variant {
  readonly without: PassName | null;
  readonly subject: Subject;
  readonly difference: number;
}

export async function benchAblation(
  network: Network,
  work: Work,
  settings: Settings,
): Promise<{ readonly section: Section; readonly rows: readonly AblationRow[] }> {
  const stage = setStage(network, settings);
  const yardstick = await startYardstick(settings);
  const full = startOurs();
  const rows: AblationRow[] = [];
  const fullSamples: Sample[] = [];
  const notes: string[] = [];
  try {
    await full.load(stage.job(work));
    const { same, others } = sortPasses(stage, work, settings);
    if (same.length > 0) notes.push(`changes nothing in this graph: ${same.join(', ')}`);
    for (let i = 0; i < others.length; i += GROUP) {
      const variants: Variant[] = [];
      try {
        for (const without of others.slice(i, i + GROUP)) {
          const variant = await startVariant(without, full, { stage, work, settings, notes });
          if (variant) variants.push(variant);
        }
        const reference: Variant = { without: null, subject: full, difference: 0 };
        const samples = await runRounds([reference, ...variants], after(yardstick), settings.rounds, {
          progress: (text) =>
            settings.progress(text === '' ? '' : `${others.slice(i, i + GROUP).join(', ')}: ${text}`),
          failed: ({ without }, why) => notes.push(`without ${without}: ${why}`),
        });
        const base = samples.get(reference);
        if (!base) break;
        fullSamples.push(...base);
        for (const variant of variants) {
          const own = samples.get(variant);
          if (own) rows.push(rowOf(stage, work, variant, own, base));
        }
      } finally {
        await Promise.all(variants.map(({ subject }) => subject.close()));
      }
    }
    if (fullSamples.length > 0)
      rows.unshift(
        rowOf(stage, work, { without: null, subject: full, difference: 0 }, fullSamples, fullSamples),
      );
  } finally {
    await Promise.all([full.close(), yardstick.close()]);
  }
  return { rows, section: section(`${network.label}, ${work}: each pass left out`, rows, notes) };
}

/** Separates the passes that do not change the file: they need no timing. */
function sortPasses(stage: Stage, work: Work, settings: Settings) {
  const files = (without: readonly PassName[]): string => {
    const options = { ...settings.options, without };
    const { files: paths } = stage.job(work, {}, options);
    return Object.keys(paths)
      .map(
        (name) =>
          stage.graph(name === 'gr-exact' ? 'gr-exact' : name === 'hvp' ? 'hvp' : 'loss-grad', options).hash,
      )
      .join();
  };
  const always = settings.options.without ?? [];
  const whole = files(always);
  const rest = PASS_NAMES.filter((name) => !always.includes(name));
  const same = rest.filter((name) => files([...always, name]) === whole);
  return { same, others: rest.filter((name) => !same.includes(name)) };
}

interface Context {
  readonly stage: Stage;
  readonly work: Work;
  readonly settings: Settings;
  readonly notes: string[];
}

async function startVariant(
  without: PassName,
  full: Subject,
  { stage, work, settings, notes }: Context,
): Promise<Variant | undefined> {
  const subject = startOurs(`without ${without}`);
  try {
    const options = { ...settings.options, without: [...(settings.options.without ?? []), without] };
    await subject.load(stage.job(work, {}, options));
    const difference = await compareResults(subject, full, stage.folder);
    if (!(difference < TOLERANCE))
      throw new Error(`results differ by ${difference.toExponential(1)} relative`);
    return { without, subject, difference };
  } catch (error) {
    notes.push(`without ${without}: not timed: ${reasonOf(error)}`);
    await subject.close();
    return undefined;
  }
}

function rowOf(
  stage: Stage,
  work: Work,
  { without, difference }: Variant,
  own: readonly Sample[],
  full: readonly Sample[],
): AblationRow {
  const [times, base] = [own, full].map((samples) => samples.map(({ ms }) => ms));
  const [peak = 0, basePeak = 0] = [own, full].map((samples) =>
    Math.max(...samples.map((each) => each.peak)),
  );
  return {
    network: stage.network.label,
    work,
    without,
    median_ms: median(times ?? []),
    peak_mb: peak / 1e6,
    time_ratio: medianRatio(times ?? [], base ?? []),
    memory_ratio: peak / basePeak,
    difference,
  };
}

function section(title: string, rows: readonly AblationRow[], notes: readonly string[]): Section {
  return {
    title,
    head: ['without', 'ms', '÷ full', 'MB', '÷ full', 'results differ'],
    words: 1,
    rows: rows.map((row) => [
      row.without ?? '(full)',
      fixed(row.median_ms, row.median_ms < 100 ? 1 : 0),
      fixed(row.time_ratio, 3),
      fixed(row.peak_mb),
      fixed(row.memory_ratio, 2),
      row.without === null ? '' : row.difference.toExponential(0),
    ]),
    notes,
  };
}
