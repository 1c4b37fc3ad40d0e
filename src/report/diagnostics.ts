/** The charts of a run's diagnostics, each a function of the lines of `diagnostics.jsonl`. */
import type { DiagnosticsLine, GroupLine, HessianLine, StepLine } from '../storage/diagnostics-log.node.ts';
import type { Chart, Line } from './chart.node.ts';
import { type Point, thin } from './series.ts';

/** The charts that have something to show; none without diagnostics. */
export function diagnosticsCharts(lines: readonly DiagnosticsLine[]): Chart[] {
  const steps = lines.filter((line) => line.kind === 'step');
  const hessians = lines.filter((line) => line.kind === 'hessian');
  return [
    groupChart(steps, 'Gradient by group', 'l2 norm, log scale', (group) => group.grad_norm),
    groupChart(steps, 'Update over weights', '‖Δθ‖/‖θ‖, log scale', (group) => group.update_ratio),
    groupChart(steps, 'Effective step size', 'lr/(√v̂ + ε), log scale', (group) => group.step_size),
    groupChart(
      steps,
      'Spread of the adaptive learning rate',
      'variance of log 1/(√v̂ + ε), log scale',
      (group) => group.adaptive_rate_log_variance,
    ),
    angleChart(steps),
    rectificationChart(steps),
    ...hessianCharts(hessians),
  ].filter(({ lines: drawn }) => drawn.some(({ points }) => points.some(({ value }) => value !== null)));
}

function groupChart(
  steps: readonly StepLine[],
  title: string,
  yLabel: string,
  measure: (group: GroupLine) => number | null,
): Chart {
  const names = [...new Set(steps.flatMap(({ groups }) => Object.keys(groups)))];
  const lines = names.map((name, i): Line => {
    const points = steps.map(({ step, groups }): Point => {
      const group = groups[name];
      return { x: step, value: group ? measure(group) : null };
    });
    return { name, points: thin(points), ...styleOf(i) };
  });
  return { title, yLabel, scale: 'log', lines };
}

const COLORS = ['blue', 'orange', 'green', 'purple'] as const;
const STROKES = ['solid', 'dashed', 'dotted'] as const;

/** The look of the i-th line: all colours solid first, then all again in each other stroke. */
function styleOf(i: number): Pick<Line, 'color' | 'stroke'> {
  const round = Math.floor(i / COLORS.length) % STROKES.length;
  return { color: COLORS[i % COLORS.length] ?? 'blue', stroke: STROKES[round] ?? 'solid' };
}

function angleChart(steps: readonly StepLine[]): Chart {
  const points = steps.map(({ step, gr_angle }) => ({ x: step, value: gr_angle }));
  return {
    title: 'Clean to regularized gradient',
    yLabel: 'angle (degrees)',
    lines: [{ name: 'angle', points: thin(points), color: 'orange', stroke: 'solid' }],
  };
}

function rectificationChart(steps: readonly StepLine[]): Chart {
  const points = steps.map(({ step, rectification }) => ({ x: step, value: rectification }));
  return {
    title: 'Rectification of theory',
    yLabel: 'r, 1 once ψ varies no more than ever',
    lines: [{ name: 'r', points: thin(points), color: 'green', stroke: 'solid' }],
  };
}

function hessianCharts(hessians: readonly HessianLine[]): Chart[] {
  const chart = (title: string, yLabel: string, measure: (line: HessianLine) => number | null): Chart => {
    const points = hessians.map((line) => ({ x: line.step, value: measure(line) }));
    return {
      title,
      yLabel,
      lines: [{ name: title, points: thin(points), color: 'blue', stroke: 'dotted' }],
    };
  };
  return [
    chart('Largest Hessian eigenvalue', 'eigenvalue, fixed batch', (line) => line.top_eigenvalue),
    chart('Hessian trace', 'trace (estimate), fixed batch', (line) => line.trace),
  ];
}
