/** How time and memory grow with the batch, the number of tokens and the depth. */
import type { VitNetwork } from './network.ts';
import { vitSizes } from './peer-network.ts';
import type { Subject, Work } from './protocol.ts';
import { after, runRounds } from './rounds.ts';
import { fixed, type Section } from './section.ts';
import { reasonOf, type Settings, setStage, startOurs, startYardstick } from './stage.ts';
import { exponent } from './statistics.ts';

export interface GrowthRow {
  readonly network: string;
  readonly work: Work;
  readonly axis: Axis;
  readonly size: number;
  readonly min_ms: number;
  readonly peak_mb: number;
}

const AXES = ['batch', 'tokens', 'layers'] as const;
type Axis = (typeof AXES)[number];
const FACTORS = [0.5, 1, 2] as const;

interface Point {
  readonly size: number;
  readonly network: VitNetwork;
}

/** The network at half, once and twice its size along an axis. A size that is not an integer is left out. */
export function pointsOf(network: VitNetwork, axis: Axis): Point[] {
  return FACTORS.flatMap((factor) => {
    const point = scaled(network, axis, factor);
    return Number.isInteger(point.size) ? [point] : [];
  });
}

function scaled({ label, spec, batch }: VitNetwork, axis: Axis, factor: number): Point {
  const { image, model } = spec;
  const { layers } = vitSizes(model);
  const named = `${label}-${axis}-${factor}`;
  switch (axis) {
    case 'batch':
      return { size: batch * factor, network: { label: named, spec, batch: batch * factor } };
    case 'layers': {
      const depth = layers * factor;
      return {
        size: depth,
        network: { label: named, spec: { ...spec, model: { ...model, layers: depth } }, batch },
      };
    }
    case 'tokens': {
      // The number of tokens grows with the height of the picture: the patches keep their size.
      const height = image.height * factor;
      return {
        size: (height / model.patch) * (image.width / model.patch) + (model.pool === 'class' ? 1 : 0),
        network: { label: named, spec: { ...spec, image: { ...image, height } }, batch },
      };
    }
  }
}

export async function benchGrowth(
  network: VitNetwork,
  work: Work,
  settings: Settings,
): Promise<{ readonly section: Section; readonly rows: readonly GrowthRow[] }> {
  const rows: GrowthRow[] = [];
  const notes: string[] = [];
  const yardstick = await startYardstick(settings);
  try {
    for (const axis of AXES)
      rows.push(...(await alongAxis(network, work, axis, { settings, yardstick, notes })));
  } finally {
    await yardstick.close();
  }
  return { rows, section: section(network, work, rows, notes) };
}

interface Context {
  readonly settings: Settings;
  readonly yardstick: Subject;
  readonly notes: string[];
}

/** Measures all sizes of an axis in the same rounds. */
async function alongAxis(
  network: VitNetwork,
  work: Work,
  axis: Axis,
  { settings, yardstick, notes }: Context,
): Promise<GrowthRow[]> {
  const started: (Point & { readonly subject: Subject })[] = [];
  try {
    for (const point of pointsOf(network, axis)) {
      const subject = startOurs();
      started.push({ ...point, subject });
      await subject.load(setStage(point.network, settings).job(work));
    }
    const samples = await runRounds(started, after(yardstick), settings.rounds, {
      progress: (text) => settings.progress(text === '' ? '' : `${work}, ${axis}: ${text}`),
      failed: ({ size }, why) => notes.push(`${axis} ${size}: ${why}`),
    });
    return [...samples].map(([{ size }, timings]) => ({
      network: network.label,
      work,
      axis,
      size,
      min_ms: Math.min(...timings.map(({ ms }) => ms)),
      peak_mb: Math.max(...timings.map(({ peak }) => peak)) / 1e6,
    }));
  } catch (error) {
    notes.push(`${axis}: left out: ${reasonOf(error)}`);
    return [];
  } finally {
    await Promise.all(started.map(({ subject }) => subject.close()));
  }
}

function section(
  { label }: VitNetwork,
  work: Work,
  rows: readonly GrowthRow[],
  notes: readonly string[],
): Section {
  return {
    title: `${label}, ${work}: growth`,
    head: ['along', 'sizes', 'ms (minimum)', 'MB', 'ms ∝ size^', 'MB ∝ size^'],
    words: 2,
    rows: AXES.flatMap((axis) => {
      const own = rows.filter((row) => row.axis === axis);
      if (own.length === 0) return [];
      const power = (of: (row: GrowthRow) => number) =>
        fixed(exponent(own.map((row) => [row.size, of(row)])), 2);
      return [
        [
          axis,
          own.map(({ size }) => size).join(' / '),
          own.map(({ min_ms }) => fixed(min_ms)).join(' / '),
          own.map(({ peak_mb }) => fixed(peak_mb)).join(' / '),
          power(({ min_ms }) => min_ms),
          power(({ peak_mb }) => peak_mb),
        ],
      ];
    }),
    notes,
  };
}
