/** The study's tables. */
import type { CellResult, StudyResults } from '../../study/results.ts';
import type { JudgedClaim } from './claims.ts';
import { type Arm, armOf, type Facets, type Setting, settingName } from './facets.ts';
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
import { pairedInterval } from './statistics.ts';
import type { Column, Table } from './table.ts';

/** A line for each place where a claim was looked at. */
export function claimsTable(claims: readonly JudgedClaim[]): Table {
  const rows = claims.flatMap(({ claim, difference, authors, evidence, verdict }) =>
    evidence.length === 0
      ? [[claim, authors, difference, null, null, 0, 'cannot tell', verdict]]
      : evidence.map(({ where, interval, verdict: here }) => [
          claim,
          authors,
          difference,
          where,
          interval,
          interval?.n ?? 0,
          here,
          verdict,
        ]),
  );
  return {
    name: 'claims',
    title: "The paper's claims by this study's numbers",
    columns: [
      { name: 'claim', kind: 'prose' },
      { name: 'authors', kind: 'prose' },
      { name: 'difference', kind: 'prose' },
      { name: 'setting', kind: 'prose' },
      { name: 'this study', kind: 'interval' },
      { name: 'pairs', kind: 'number', digits: 0 },
      { name: 'here', kind: 'text' },
      { name: 'verdict', kind: 'text' },
    ],
    rows,
  };
}

/** Experiment 1. */
export function errorTable({ settings }: Facets): Table {
  const rows = everyArm(settings).map(({ setting, arm }) => {
    const base = bySeed(armOf(setting, ''), finalError);
    const interval = pairedInterval([...minus(bySeed(arm, finalError), base).values()]);
    return [
      settingName(setting),
      arm.condition.name,
      overSeeds(arm, finalError),
      runs(arm),
      arm.condition.isRegularized ? interval : null,
      arm.condition.isRegularized ? (interval?.n ?? 0) : null,
      overSeeds(arm, bestError),
    ];
  });
  return {
    name: 'final-error',
    isGrouped: true,
    title:
      'Test error in percent: mean ± standard deviation over seeds, and paired difference to no regularization with its 95 % interval',
    columns: [
      ...SETTING_AND_CONDITION,
      { name: 'final error (%)', kind: 'spread' },
      { name: 'runs done', kind: 'text' },
      { name: 'to none (points)', kind: 'interval' },
      { name: 'pairs', kind: 'number', digits: 0 },
      { name: 'best error (%)', kind: 'spread' },
    ],
    rows,
  };
}

/** Experiment 2. */
export function stabilityTable({ settings }: Facets): Table {
  const rows = everyArm(settings).map(({ setting, arm }) => {
    const spikes = arm.cells.flatMap(spikeSteps);
    const { hasWarmup, warmupSteps } = setting;
    return [
      settingName(setting),
      arm.condition.name,
      overSeeds(arm, restlessness),
      overSeeds(arm, rateVariance),
      hasWarmup && warmupSteps !== null ? spikes.filter((step) => step <= warmupSteps).length : null,
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

/** Experiment 3: a line for each number of images. */
export function imagesTable(facets: Facets): Table {
  return scaleTable(facets, 'fraction', 'images', ({ images }) => images);
}

/** Experiment 3: a line for each model. */
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

/** Every run with the options in which the study's runs differ, and its speed. */
export function runsTable({ cells }: StudyResults): Table {
  // A run's folder is its name.
  const keys = [...new Set(cells.flatMap(({ config }) => Object.keys(config)))].filter(
    (key) => key !== 'out',
  );
  const varying = keys.filter((key) => new Set(cells.map((cell) => optionText(cell, key))).size > 1);
  return {
    name: 'runs',
    title: 'Every run, with the options in which they differ',
    columns: [
      { name: 'run', kind: 'text' },
      { name: 'state', kind: 'text' },
      { name: 'images/s', kind: 'number', digits: 0 },
      ...varying.map((name): Column => ({ name, kind: 'text' })),
    ],
    rows: cells.map((cell) => [
      cell.id,
      cell.state,
      imagesPerSecond(cell),
      ...varying.map((key) => optionText(cell, key)),
    ]),
  };
}

/** The options that all runs share. */
export function commonTable({ cells }: StudyResults): Table {
  const [first] = cells;
  const shared = Object.keys(first?.config ?? {}).filter((key) =>
    cells.every((cell) => first && optionText(cell, key) === optionText(first, key)),
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

/** Empty where it was left to the program. */
function optionText({ config }: CellResult, key: string): string {
  const value = new Map<string, unknown>(Object.entries(config)).get(key);
  return value === undefined ? '' : String(value);
}

const SETTING_AND_CONDITION: readonly Column[] = [
  { name: 'setting', kind: 'text' },
  { name: 'condition', kind: 'text' },
];

function everyArm(settings: readonly Setting[]): { readonly setting: Setting; readonly arm: Arm }[] {
  return settings.flatMap((setting) => setting.arms.map((arm) => ({ setting, arm })));
}

/** `3 of 3`, or `1 of 3, 1 diverged`. */
function runs({ cells }: Arm): string {
  const count = (state: CellResult['state']) => cells.filter((cell) => cell.state === state).length;
  const lost = (['diverged', 'failed'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `, ${count(state)} ${state}`);
  return `${count('done')} of ${cells.length}${lost.join('')}`;
}
