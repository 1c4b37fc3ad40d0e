/** What a study would take on a GPU: from steps that were measured there, scaled by arithmetic. */
import type { TrainConfig } from '../config/config.ts';
import { counted } from '../counted.ts';
import { formatDuration } from '../terminal/duration.ts';
import { gradientFlopsOf, type PlannedCell } from './plan.node.ts';

/** Milliseconds of a training step, by what its gradient costs. */
type StepTimes = Readonly<Record<'none' | 'fd' | 'exact', number>>;

interface Measured {
  readonly graph: string;
  readonly batchSize: number;
  readonly webgpu: StepTimes;
  readonly pytorch: StepTimes;
}

/**
 * The medians of `npm run bench:device -- --batch-size 128` and of `scripts/peers/torch_steps.py` on one card. "On a GPU,
 * through WebGPU" in BENCHMARKS.md has the same numbers, and says how they were taken.
 */
export const MEASURED = {
  card: 'NVIDIA H100 80GB',
  pytorch: 'PyTorch 2.11, float32 without TF32',
  networks: [
    {
      graph: 'vit-ti-cifar10',
      batchSize: 128,
      webgpu: { none: 137, fd: 188, exact: 414 },
      pytorch: { none: 27.7, fd: 62.6, exact: 117.7 },
    },
    {
      graph: 'vit-s-cifar10',
      batchSize: 128,
      webgpu: { none: 261, fd: 395, exact: 760 },
      pytorch: { none: 38.1, fd: 83.8, exact: 136 },
    },
  ],
} as const satisfies { card: string; pytorch: string; networks: readonly Measured[] };

/** The measured step that a regularization's step is like: all of SAM's kin take two gradients, as `fd` does. */
const LIKE: Readonly<Record<TrainConfig['gr'], keyof StepTimes>> = {
  none: 'none',
  exact: 'exact',
  fd: 'fd',
  sam: 'fd',
  asam: 'fd',
  gsam: 'fd',
  looksam: 'fd',
};

/** A measured network with the floating-point operations of one example's gradient. */
export interface Reference extends Measured {
  readonly gradientFlops: number;
}

export interface GpuSeconds {
  readonly webgpu: number;
  readonly pytorch: number;
}

/**
 * Networks of less than this share of the smallest measured arithmetic have no estimate: their steps wait for the start
 * of kernels, not for arithmetic.
 */
const LEAST_SHARE = 0.5;

/** The measured network whose arithmetic is nearest to the cell's; undefined where the cell's is much less than any. */
export function referenceOf(cell: PlannedCell, references: readonly Reference[]): Reference | undefined {
  const least = Math.min(...references.map(({ gradientFlops }) => gradientFlops));
  if (cell.gradientFlops < LEAST_SHARE * least) return undefined;
  const distance = ({ gradientFlops }: Reference) => Math.abs(Math.log(cell.gradientFlops / gradientFlops));
  return references.toSorted((a, b) => distance(a) - distance(b))[0];
}

/** The seconds of a cell's steps: as many measured steps, times the ratios of arithmetic and of batch sizes. */
export function gpuSeconds(cell: PlannedCell, reference: Reference): GpuSeconds {
  const { config, gradientFlops, totalSteps, regularizedSteps } = cell;
  const scale = (gradientFlops / reference.gradientFlops) * (config.batchSize / reference.batchSize);
  const seconds = (times: StepTimes) =>
    (scale * (regularizedSteps * times[LIKE[config.gr]] + (totalSteps - regularizedSteps) * times.none)) /
    1000;
  return { webgpu: seconds(reference.webgpu), pytorch: seconds(reference.pytorch) };
}

/**
 * Lines that say how long the cells would take on the measured card, and what that assumes. None where a network is much
 * smaller than those measured.
 */
export async function gpuLines(cells: readonly PlannedCell[]): Promise<readonly string[]> {
  const references = await Promise.all(
    MEASURED.networks.map(async (network) => ({
      ...network,
      gradientFlops: await gradientFlopsOf(network.graph),
    })),
  );
  const total = { webgpu: 0, pytorch: 0 };
  const scaled = new Map<string, string>();
  for (const cell of cells) {
    const reference = referenceOf(cell, references);
    if (reference === undefined) return [];
    const { webgpu, pytorch } = gpuSeconds(cell, reference);
    total.webgpu += webgpu;
    total.pytorch += pytorch;
    const ratio = Number((cell.gradientFlops / reference.gradientFlops).toPrecision(2));
    if (ratio !== 1) scaled.set(cell.model, `${cell.model} = ${ratio} × ${reference.graph}`);
  }
  const times = references.map(
    ({ graph, batchSize, webgpu: { none, fd, exact } }) =>
      `${graph} ${none} ms (fd ${fd}, exact ${exact}) for a batch of ${batchSize}`,
  );
  const ratios =
    scaled.size === 0
      ? ''
      : ` Networks that were not measured are taken as ${[...scaled.values()].join(', ')}, by the arithmetic of their gradients.`;
  return [
    `on one ${MEASURED.card}, one run after the other: about ${formatDuration(total.webgpu)} through --device webgpu, and about ${formatDuration(total.pytorch)} with the same networks in ${MEASURED.pytorch}`,
    `This assumes steps as fast as those that BENCHMARKS.md measured there: ${times.join('; ')}. Other batch sizes are taken in proportion.${ratios} Evaluation, checkpoints and start-up are not included (${counted(cells.length, 'run')}).`,
  ];
}
