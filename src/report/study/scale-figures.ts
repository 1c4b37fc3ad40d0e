/** The figures of the final numbers: over the number of examples, by model, and over an axis of numbers. */
import { capitalized } from '../../counted.ts';
import type { CellResult } from '../../study/results.node.ts';
import type { Chart, Line } from '../chart.node.ts';
import type { Point } from '../series.ts';
import { meanWithBand } from './bands.ts';
import { grouped } from './cells.ts';
import type { Facets } from './facets.ts';
import { drawn, type Figure, looks } from './figures.ts';
import { bySeed, finalError, ofCells } from './measures.ts';
import { type Family, families } from './scale.ts';
import { SEPARATOR, type Setting } from './settings.ts';
import { axesOfSeeds, axisVariable, placeParts, type Variable } from './variables.ts';

/** The final judged number over the number of training examples, for settings that differ in nothing else. */
export function sizeFigures(facets: Facets): readonly Figure[] {
  return families(facets, 'fraction').flatMap((family) => {
    const known = family.members.flatMap((setting) => (setting.examples === null ? [] : [setting.examples]));
    const ticks = known.map((count) => ({ x: count, name: count.toLocaleString('en') }));
    const at = ({ examples }: Setting) => examples;
    return scaleFigure(
      facets,
      family,
      `${capitalized(facets.judged.label)} over training ${facets.noun}s`,
      { label: `${facets.noun}s`, scale: 'log', ticks },
      at,
    );
  });
}

/** The final judged number by model, the smallest first, for settings that differ in nothing else. */
export function modelFigures(facets: Facets): readonly Figure[] {
  return families(facets, 'model').flatMap((family) => {
    const ticks = family.members.map((setting, x) => ({ x, name: setting.model ?? '' }));
    const at = (setting: Setting) => family.members.indexOf(setting);
    return scaleFigure(
      facets,
      family,
      `${capitalized(facets.judged.label)} by model`,
      { label: 'model', ticks },
      at,
    );
  });
}

function scaleFigure(
  facets: Facets,
  { name, members, conditions }: Family,
  title: string,
  x: NonNullable<Chart['x']>,
  at: (setting: Setting) => number | null,
): Figure[] {
  const look = looks(facets.conditions);
  const lines = conditions.map((condition): Line => {
    const points = members.flatMap((setting): Point[] => {
      const place = at(setting);
      const arm = setting.arms.find((each) => each.condition.name === condition.name);
      const errors = [...bySeed(arm, finalError(facets.judged)).values()];
      return place === null || errors.length === 0 ? [] : [{ x: place, ...meanWithBand(errors) }];
    });
    return { name: condition.name, points, ...look(condition) };
  });
  return drawn(
    [{ title, yLabel: `final test ${facets.judged.axis}`, lines, x, from: 'data', spread: 'bars' }],
    name,
  );
}

/** The fewest values of an axis that make a line over it. */
const FEWEST_VALUES = 3;
/** From this ratio of the largest to the smallest value on, the axis is logarithmic. */
const LOG_RATIO = 8;

/** The final judged number over each axis of numbers, a line for each condition, for runs alike in all other axes. */
export function axisFigures(facets: Facets): readonly Figure[] {
  return facets.axes
    .filter(({ options: [option, ...others], hasNames }) => {
      // The share of training examples, and the model, have figures of their own.
      const isOwn = option === 'seed' || option === 'trainFraction' || option === 'graph';
      return !hasNames && others.length === 0 && !isOwn;
    })
    .map(({ name }) => axisVariable(facets, name))
    .filter(
      ({ values }) =>
        values.length >= FEWEST_VALUES &&
        values.every((value) => value !== '' && Number.isFinite(Number(value))),
    )
    .flatMap((variable) => ofAxis(facets, variable));
}

function ofAxis(facets: Facets, variable: Variable): readonly Figure[] {
  const { conditionAxes, conditionOf, cells, judged, conditions } = facets;
  const isCondition = conditionAxes.some(({ name }) => name === variable.name);
  // Where the axis itself makes the conditions, what is left of them is no condition: one line.
  const lineOf = (cell: CellResult) => (isCondition ? variable.name : conditionOf(cell).name);
  const left = [...axesOfSeeds(facets), ...conditionAxes.map(({ name }) => name)].filter(
    (name) => !isCondition || axesOfSeeds(facets).includes(name),
  );
  const key = (cell: CellResult) =>
    JSON.stringify([...variable.rest(cell)].filter(([axis]) => !left.includes(axis)));
  const groups = [
    ...grouped(
      cells.filter((cell) => variable.valueOf(cell) !== undefined),
      key,
    ).values(),
  ];
  const partsOf = placeParts(facets, { ...variable, isCondition: !isCondition }, groups);
  const look = looks(conditions);
  const x = numberAxis(variable);
  return groups.flatMap((members) => {
    const lines = [...grouped(members, lineOf)].map(([name, own]): Line => {
      const points = variable.values.flatMap((value): Point[] => {
        const errors = [
          ...ofCells(
            own.filter((cell) => variable.valueOf(cell) === value),
            finalError(judged),
          ).values(),
        ];
        return errors.length === 0 ? [] : [{ x: x.placeOf(value), ...meanWithBand(errors) }];
      });
      const condition = conditions.find((each) => each.name === name);
      return { name, points, ...(condition ? look(condition) : { color: 'blue', stroke: 'solid' }) };
    });
    if (lines.every(({ points }) => points.length < 2)) return [];
    const title = `${capitalized(judged.label)} over ${variable.name}`;
    const yLabel = `final test ${judged.axis}`;
    return drawn(
      [{ title, yLabel, lines, x: x.axis, from: 'data', spread: 'bars' }],
      partsOf(members).join(SEPARATOR),
    );
  });
}

/** Where the values stand: at their numbers, on a logarithmic axis where they span much; with a 0 then side by side. */
function numberAxis({ name, values }: Variable): {
  readonly axis: NonNullable<Chart['x']>;
  readonly placeOf: (value: string) => number;
} {
  const numbers = values.map(Number).toSorted((a, b) => a - b);
  const [least = 0, most = 0] = [numbers[0], numbers.at(-1)];
  const positive = numbers.filter((value) => value > 0);
  const spansMuch = (positive.at(-1) ?? 1) / (positive[0] ?? 1) >= LOG_RATIO;
  const isOrdinal = spansMuch && least <= 0;
  const placeOf = (value: string) => (isOrdinal ? numbers.indexOf(Number(value)) : Number(value));
  const ticks = numbers.map((value) => ({ x: placeOf(String(value)), name: String(value) }));
  return {
    axis: { label: name, scale: spansMuch && !isOrdinal && most > 0 ? 'log' : 'linear', ticks },
    placeOf,
  };
}
