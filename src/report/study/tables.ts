/** The study's tables. */
import type { CellResult, StudyResults } from '../../study/results.node.ts';
import { hasEffect, optionText, varyingOptions } from './cells.ts';
import type { JudgedClaim } from './claims.ts';
import { armOf, type Facets } from './facets.ts';
import { judgedDigits } from './judged.ts';
import {
  bestError,
  bySeed,
  examplesPerSecond,
  finalError,
  minus,
  overSeeds,
  rateVariance,
  restlessness,
  spikeSteps,
} from './measures.ts';
import { families } from './scale.ts';
import { type Arm, type Setting, settingName } from './settings.ts';
import { pairedInterval, spread } from './statistics.ts';
import type { Column, Table } from './table.ts';

/** The claims, with a row for each setting in which a claim was judged. */
export function claimsTable(claims: readonly JudgedClaim[], digits = 2): Table {
  return {
    name: 'claims',
    title: "The paper's claims by this study's numbers",
    columns: [
      { name: 'claim', kind: 'prose' },
      { name: 'authors', kind: 'prose' },
      { name: 'difference', kind: 'prose' },
      { name: 'setting', kind: 'prose' },
      { name: 'this study (95 %)', kind: 'interval', digits },
      { name: 'pairs', kind: 'number', digits: 0 },
      { name: 'corrected', kind: 'interval', digits },
      { name: 'corrected level (%)', kind: 'number' },
      { name: 'here', kind: 'text' },
      { name: 'verdict', kind: 'text' },
    ],
    rows: claims.flatMap(({ claim, difference, authors, evidence, verdict }) =>
      evidence.map(({ where, interval, corrected, verdict: here }) => [
        claim,
        authors,
        difference,
        where,
        interval,
        interval?.n ?? 0,
        corrected,
        corrected && 100 * corrected.level,
        here,
        verdict,
      ]),
    ),
  };
}

/** The final judged number of every condition and, where the design has both, its difference to no regularization. */
export function errorTable(facets: Facets): Table {
  const comparesToNone = new Set(facets.conditions.map(({ isRegularized }) => isRegularized)).size > 1;
  const { judged } = facets;
  const [final, best] = [finalError(judged), bestError(judged)];
  const digits = digitsOf(facets);
  const rows = everyArm(facets.settings).map(({ setting, arm }) => {
    const base = bySeed(plainArm(facets, arm), final);
    const interval = arm.condition.isRegularized
      ? pairedInterval(spread([...minus(bySeed(arm, final), base).values()]))
      : null;
    return [
      settingName(setting),
      arm.condition.name,
      overSeeds(arm, final),
      runs(arm),
      ...(comparesToNone ? [interval, arm.condition.isRegularized ? (interval?.n ?? 0) : null] : []),
      overSeeds(arm, best),
    ];
  });
  const comparison: readonly Column[] = [
    { name: judged.isPercent ? 'to none (points)' : 'to none', kind: 'interval', digits },
    { name: 'pairs', kind: 'number', digits: 0 },
  ];
  return {
    name: 'final-error',
    isGrouped: true,
    title: `Test ${judged.label}${judged.inUnit}: mean ± standard deviation over seeds${comparesToNone ? ', and paired difference to no regularization with its 95 % interval (not corrected for the number of differences)' : ''}`,
    columns: [
      ...SETTING_AND_CONDITION,
      { name: `final ${judged.axis}`, kind: 'spread', digits },
      { name: 'runs done', kind: 'text' },
      ...(comparesToNone ? comparison : []),
      { name: `best ${judged.axis}`, kind: 'spread', digits },
    ],
    rows,
  };
}

/** The arm without regularization whose other options are the same. */
function plainArm({ comparable }: Facets, { cells: [cell] }: Arm): Arm | undefined {
  const setting = comparable.find(({ arms }) =>
    arms.some(({ cells }) => cells.some(({ id }) => id === cell?.id)),
  );
  return setting && armOf(setting, '');
}

/** The stability of the gradient: statistics of the warmup, and spikes. */
export function stabilityTable({ settings }: Facets): Table {
  const rows = everyArm(settings).map(({ setting, arm }) => {
    const spikes = arm.cells.flatMap(spikeSteps);
    const warmup = arm.warmupSteps ?? 0;
    return [
      settingName(setting),
      arm.condition.name,
      overSeeds(arm, restlessness),
      overSeeds(arm, rateVariance),
      warmup > 0 ? spikes.filter((step) => step <= warmup).length : null,
      spikes.length,
      arm.cells.filter(({ metrics }) => metrics.length > 0).length,
    ];
  });
  return {
    name: 'stability',
    isGrouped: true,
    title:
      'Stability of the gradient: its restlessness and the variance of the adaptive learning rate in the warmup, and spikes of its norm over all runs',
    columns: [
      ...SETTING_AND_CONDITION,
      { name: 'sd of log ‖g‖', kind: 'spread', digits: 3 },
      { name: 'variance of log ψ', kind: 'spread', digits: 3 },
      { name: 'spikes in warmup', kind: 'number', digits: 0 },
      { name: 'spikes', kind: 'number', digits: 0 },
      { name: 'runs', kind: 'number', digits: 0 },
    ],
    rows,
  };
}

/** The final judged number, with a row for each number of training examples. */
export function sizeTable(facets: Facets): Table {
  return scaleTable(facets, 'fraction', ({ examples }) => examples);
}

/** The same, with a row for each model. */
export function modelsTable(facets: Facets): Table {
  return scaleTable(facets, 'model', ({ model }) => model);
}

function scaleTable(
  facets: Facets,
  facet: 'model' | 'fraction',
  size: (setting: Setting) => string | number | null,
): Table {
  const all = families(facets, facet);
  const conditions = facets.conditions.filter((condition) =>
    all.some((family) => family.conditions.some((own) => own.name === condition.name)),
  );
  const { judged, noun } = facets;
  const [final, digits] = [finalError(judged), digitsOf(facets)];
  const isOfSize = facet === 'fraction';
  return {
    name: isOfSize ? `error-by-${noun}s` : 'error-by-model',
    isGrouped: true,
    title: `Final test ${judged.label}${judged.inUnit} by ${isOfSize ? `number of training ${noun}s` : 'model'}: mean ± standard deviation over seeds`,
    columns: [
      { name: 'setting', kind: 'text' },
      isOfSize ? { name: `${noun}s`, kind: 'number', digits: 0 } : { name: 'model', kind: 'text' },
      ...conditions.map((condition): Column => ({ name: condition.name, kind: 'spread', digits })),
    ],
    rows: all.flatMap((family) =>
      family.members.map((setting) => [
        family.name,
        size(setting),
        ...conditions.map((condition) =>
          overSeeds(
            setting.arms.find((arm) => arm.condition.name === condition.name),
            final,
          ),
        ),
      ]),
    ),
  };
}

/** Runs without a result, and why. */
export function missingTable({ cells }: StudyResults): Table {
  return {
    name: 'without-result',
    title: 'Runs without a result',
    columns: [
      { name: 'run', kind: 'text' },
      { name: 'state', kind: 'text' },
      { name: 'last step', kind: 'number', digits: 0 },
      { name: 'of', kind: 'number', digits: 0 },
      { name: 'message', kind: 'prose' },
    ],
    rows: cells
      .filter(({ state }) => state !== 'done')
      .map(({ id, state, metrics, totalSteps, message }) => [
        id,
        state === 'unfinished' && metrics.length === 0 ? 'not begun' : state,
        metrics.at(-1)?.step ?? 0,
        totalSteps,
        message,
      ]),
  };
}

/** Every run: its judged numbers, its speed, and the options in which the study's runs differ. */
export function runsTable({ cells }: StudyResults, facets: Facets): Table {
  const { judged, noun } = facets;
  const [final, best, digits] = [finalError(judged), bestError(judged), digitsOf(facets)];
  // The folder is left out: it has the run's name.
  const varying = varyingOptions(cells).filter((key) => key !== 'out');
  return {
    name: 'runs',
    title: 'Every run, with the options in which they differ',
    columns: [
      { name: 'run', kind: 'text' },
      { name: 'state', kind: 'text' },
      { name: `final ${judged.axis}`, kind: 'number', digits },
      { name: `best ${judged.axis}`, kind: 'number', digits },
      { name: `${noun}s/s`, kind: 'number', digits: 0 },
      ...varying.map((name): Column => ({ name, kind: 'text' })),
    ],
    rows: cells.map((cell) => [
      cell.id,
      cell.state,
      final(cell),
      best(cell),
      examplesPerSecond(cell),
      ...varying.map((key) => optionText(cell, key)),
    ]),
  };
}

/** The options that all runs share, without those that have no effect in them. */
export function commonTable({ cells }: StudyResults): Table {
  const [first] = cells;
  const varying = varyingOptions(cells);
  const shared = Object.keys(first?.config ?? {}).filter(
    (key) => !varying.includes(key) && cells.some((cell) => hasEffect(cell, key)),
  );
  return {
    name: 'common-options',
    title: 'Options of every run',
    columns: [
      { name: 'option', kind: 'text' },
      { name: 'value', kind: 'text' },
    ],
    rows: first ? shared.map((key) => [key, optionText(first, key)]) : [],
  };
}

/** The decimals of the runs' judged numbers. */
export function digitsOf({ settings, judged }: Facets): number {
  const final = finalError(judged);
  return judgedDigits(
    judged,
    everyArm(settings).flatMap(({ arm }) => arm.cells.map(final)),
  );
}

const SETTING_AND_CONDITION: readonly Column[] = [
  { name: 'setting', kind: 'text' },
  { name: 'condition', kind: 'text' },
];

function everyArm(settings: readonly Setting[]): { readonly setting: Setting; readonly arm: Arm }[] {
  return settings.flatMap((setting) => setting.arms.map((arm) => ({ setting, arm })));
}

/** How many runs are done, such as `3 of 3` or `1 of 3, 1 diverged`. */
function runs({ cells }: Arm): string {
  const count = (state: CellResult['state']) => cells.filter((cell) => cell.state === state).length;
  const lost = (['diverged', 'failed'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `, ${count(state)} ${state}`);
  return `${count('done')} of ${cells.length}${lost.join('')}`;
}
