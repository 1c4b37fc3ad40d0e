/** The study's tables. */
import type { CellResult, StudyResults } from '../../study/results.node.ts';
import { hasEffect, optionText, varyingOptions } from './cells.ts';
import type { JudgedClaim } from './claims.ts';
import { armOf, type Facets } from './facets.ts';
import {
  bestError,
  bySeed,
  finalError,
  imagesPerSecond,
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
export function claimsTable(claims: readonly JudgedClaim[]): Table {
  return {
    name: 'claims',
    title: "The paper's claims by this study's numbers",
    columns: [
      { name: 'claim', kind: 'prose' },
      { name: 'authors', kind: 'prose' },
      { name: 'difference', kind: 'prose' },
      { name: 'setting', kind: 'prose' },
      { name: 'this study (95 %)', kind: 'interval' },
      { name: 'pairs', kind: 'number', digits: 0 },
      { name: 'corrected', kind: 'interval' },
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

/** The final test error of every condition and, where the design has both, its difference to no regularization. */
export function errorTable(facets: Facets): Table {
  const comparesToNone = new Set(facets.conditions.map(({ isRegularized }) => isRegularized)).size > 1;
  const rows = everyArm(facets.settings).map(({ setting, arm }) => {
    const base = bySeed(plainArm(facets, arm), finalError);
    const interval = arm.condition.isRegularized
      ? pairedInterval(spread([...minus(bySeed(arm, finalError), base).values()]))
      : null;
    return [
      settingName(setting),
      arm.condition.name,
      overSeeds(arm, finalError),
      runs(arm),
      ...(comparesToNone ? [interval, arm.condition.isRegularized ? (interval?.n ?? 0) : null] : []),
      overSeeds(arm, bestError),
    ];
  });
  const comparison: readonly Column[] = [
    { name: 'to none (points)', kind: 'interval' },
    { name: 'pairs', kind: 'number', digits: 0 },
  ];
  return {
    name: 'final-error',
    isGrouped: true,
    title: `Test error in percent: mean ± standard deviation over seeds${comparesToNone ? ', and paired difference to no regularization with its 95 % interval (not corrected for the number of differences)' : ''}`,
    columns: [
      ...SETTING_AND_CONDITION,
      { name: 'final error (%)', kind: 'spread' },
      { name: 'runs done', kind: 'text' },
      ...(comparesToNone ? comparison : []),
      { name: 'best error (%)', kind: 'spread' },
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

/** The final error, with a row for each number of images. */
export function imagesTable(facets: Facets): Table {
  return scaleTable(facets, 'fraction', 'images', ({ images }) => images);
}

/** The final error, with a row for each model. */
export function modelsTable(facets: Facets): Table {
  return scaleTable(facets, 'model', 'model', ({ model }) => model);
}

function scaleTable(
  facets: Facets,
  facet: 'model' | 'fraction',
  name: 'images' | 'model',
  size: (setting: Setting) => string | number | null,
): Table {
  const all = families(facets, facet);
  const conditions = facets.conditions.filter((condition) =>
    all.some((family) => family.conditions.some((own) => own.name === condition.name)),
  );
  return {
    name: name === 'images' ? 'error-by-images' : 'error-by-model',
    isGrouped: true,
    title: `Final test error in percent by ${name === 'images' ? 'number of training images' : 'model'}: mean ± standard deviation over seeds`,
    columns: [
      { name: 'setting', kind: 'text' },
      name === 'images' ? { name, kind: 'number', digits: 0 } : { name, kind: 'text' },
      ...conditions.map((condition): Column => ({ name: condition.name, kind: 'spread' })),
    ],
    rows: all.flatMap((family) =>
      family.members.map((setting) => [
        family.name,
        size(setting),
        ...conditions.map((condition) =>
          overSeeds(
            setting.arms.find((arm) => arm.condition.name === condition.name),
            finalError,
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

/** Every run: its errors, its speed, and the options in which the study's runs differ. */
export function runsTable({ cells }: StudyResults): Table {
  // The folder is left out: it has the run's name.
  const varying = varyingOptions(cells).filter((key) => key !== 'out');
  return {
    name: 'runs',
    title: 'Every run, with the options in which they differ',
    columns: [
      { name: 'run', kind: 'text' },
      { name: 'state', kind: 'text' },
      { name: 'final error (%)', kind: 'number' },
      { name: 'best error (%)', kind: 'number' },
      { name: 'images/s', kind: 'number', digits: 0 },
      ...varying.map((name): Column => ({ name, kind: 'text' })),
    ],
    rows: cells.map((cell) => [
      cell.id,
      cell.state,
      finalError(cell),
      bestError(cell),
      imagesPerSecond(cell),
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
