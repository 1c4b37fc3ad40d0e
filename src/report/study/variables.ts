/**
 * What a study's runs can be compared by: each axis of its design, and its conditions where several axes make them. Two
 * runs are compared where they differ in this alone.
 */
import type { CellResult } from '../../study/results.node.ts';
import { distinct, grouped, varyingOptions } from './cells.ts';
import type { Facets } from './facets.ts';
import { nameSettings, SEPARATOR } from './settings.ts';

export interface Variable {
  /** The axis' name, or those of the axes of the conditions. */
  readonly name: string;
  /** The options that make its values. */
  readonly options: readonly string[];
  /** In the order of the design, and of conditions in that of the tables. */
  readonly values: readonly string[];
  /** The value of a run; undefined where it makes no difference to the run. */
  readonly valueOf: (cell: CellResult) => string | undefined;
  /** The values of a run on all other axes. Axes that make no difference to the run are left out. */
  readonly rest: (cell: CellResult) => ReadonlyMap<string, string>;
  /** Whether its values are the study's conditions. */
  readonly isCondition: boolean;
}

/** The runs of two or more values that are alike in all else but the seed. */
export interface Place {
  /** Of its name. */
  readonly parts: readonly string[];
  /** For each value that was asked for, its runs. */
  readonly runs: readonly (readonly CellResult[])[];
}

/** The study's conditions as a variable; null where it has only one. */
export function conditionVariable(facets: Facets): Variable | null {
  const { conditionAxes: own, conditionOf, conditions } = facets;
  if (own.length === 0 || conditions.length < 2) return null;
  const [only] = own;
  if (only && own.length === 1) {
    const variable = axisVariable(facets, only.name);
    // The conditions' order has no regularization first.
    const rank = (value: string) => {
      const cell = facets.cells.find((each) => variable.valueOf(each) === value);
      return cell ? conditions.findIndex(({ name }) => name === conditionOf(cell).name) : conditions.length;
    };
    const values = variable.values.toSorted((a, b) => rank(a) - rank(b));
    return { ...variable, values, isCondition: true };
  }
  return {
    name: own.map(({ name }) => name).join(' × '),
    options: own.flatMap(({ options }) => options),
    values: conditions.map(({ name }) => name),
    valueOf: (cell) => conditionOf(cell).name,
    rest: (cell) =>
      valuesBut(
        cell,
        own.map(({ name }) => name),
      ),
    isCondition: true,
  };
}

/** An axis as a variable. The others of several axes that make the conditions count among the rest, as all axes do. */
export function axisVariable({ axes, cells }: Facets, name: string): Variable {
  const axis = axes.find((each) => each.name === name);
  const present = new Set(cells.map(({ values }) => values[name]));
  return {
    name,
    options: axis?.options ?? [],
    values: (axis?.values ?? []).filter((value) => present.has(value)),
    valueOf: ({ values }) => values[name],
    rest: (cell) => valuesBut(cell, [name]),
    isCondition: false,
  };
}

/** The axes that are neither of the conditions nor of the seed, and have two values or more. */
export function otherVariables(facets: Facets): readonly Variable[] {
  return facets.axes
    .filter((axis) => !facets.conditionAxes.includes(axis) && axis.options.some((key) => key !== 'seed'))
    .map(({ name }) => axisVariable(facets, name))
    .filter(({ values }) => values.length > 1);
}

function valuesBut({ values }: CellResult, names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(Object.entries(values).filter(([axis]) => !names.includes(axis)));
}

/**
 * The places where runs of all the given values of a variable are alike in all other axes. An axis that makes no
 * difference to the runs of one value may have any value in the others, so that GR of two strengths meets one and the
 * same run without GR in two places.
 */
export function placesOf(
  facets: Facets,
  variable: Variable,
  values: readonly string[],
  isMeant: (cell: CellResult) => boolean = () => true,
): readonly Place[] {
  const seedAxes = axesOfSeeds(facets);
  const rest = (cell: CellResult) =>
    new Map([...variable.rest(cell)].filter(([axis]) => !seedAxes.includes(axis)));
  const groups = values.map((value) => {
    const cells = facets.cells.filter((cell) => variable.valueOf(cell) === value);
    return [...grouped(cells, (cell) => JSON.stringify([...rest(cell)]))].map(([, members]) => members);
  });
  const places = groups.reduce<(readonly (readonly CellResult[])[])[]>(
    (before, group) =>
      before.flatMap((runs) =>
        group
          .filter(([cell]) => cell && runs.every(([other]) => other && isAlike(rest(cell), rest(other))))
          .map((members) => [...runs, members]),
      ),
    [[]],
  );
  // Named among all runs of the values: one place of runs that have others elsewhere is not "all runs".
  const partsOf = placeParts(facets, variable, [...places.map((runs) => runs.flat()), ...groups.flat()]);
  const named = places.map((runs) => {
    const parts = partsOf(runs.flat());
    return { parts, where: parts.join(SEPARATOR), runs };
  });
  const full = named.map((place) => {
    const alike = named.filter(({ where }) => where === place.where);
    const more =
      alike.length > 1
        ? tellingValues(
            place.runs,
            alike.map(({ runs }) => runs),
            rest,
          )
        : [];
    return { parts: [...place.parts, ...more], runs: place.runs };
  });
  // Left out after they are named: a place has the same name whatever others are asked for.
  return full
    .map(({ parts, runs }) => ({ parts, runs: runs.map((members) => members.filter(isMeant)) }))
    .filter(({ runs }) => runs.every(({ length }) => length > 0));
}

/**
 * The values on the axes by which places of one name differ: an axis may set what others set too. Where it makes no
 * difference to the runs of one side, that side has any.
 */
function tellingValues(
  runs: Place['runs'],
  alike: readonly Place['runs'][],
  rest: Variable['rest'],
): readonly string[] {
  const textOf = (axis: string, place: Place['runs']) =>
    distinct(place.map(([cell]) => (cell && rest(cell).get(axis)) ?? 'any')).join(' against ');
  const axes = distinct(alike.flat(2).flatMap((cell) => [...rest(cell).keys()]));
  return axes
    .filter((axis) => distinct(alike.map((place) => textOf(axis, place))).length > 1)
    .map((axis) => `${axis} = ${textOf(axis, runs)}`);
}

/** The names of the axes that set nothing but the seed. */
export function axesOfSeeds({ axes }: Facets): readonly string[] {
  return axes.filter(({ options }) => options.every((key) => key === 'seed')).map(({ name }) => name);
}

function isAlike(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return [...a].every(([axis, value]) => (b.get(axis) ?? value) === value);
}

/** The parts of a place's name: as of settings in tables, after its condition where conditions differ among places. */
export function placeParts(
  { axes, cells, conditionAxes, conditionOptions, conditionOf }: Facets,
  { name, options, isCondition }: Variable,
  places: readonly (readonly CellResult[])[],
): (members: readonly CellResult[]) => readonly string[] {
  const isOfConditions = isCondition || conditionAxes.some((axis) => axis.name === name);
  const others = axes.filter((axis) => axis.name !== name && !conditionAxes.includes(axis));
  const all = places.flat();
  const keys = varyingOptions(all).filter(
    (key) =>
      key !== 'seed' &&
      !conditionOptions.has(key) &&
      (!options.includes(key) || others.some((axis) => axis.options.includes(key))),
  );
  const partsOf = nameSettings(places, cells, others, keys);
  const conditionsOf = (members: readonly CellResult[]) =>
    distinct(members.map((cell) => conditionOf(cell).name));
  const tellsCondition =
    !isOfConditions && distinct(places.map((members) => conditionsOf(members).join())).length > 1;
  // With several axes of conditions, one of them alone is compared within the others.
  const siblings = conditionAxes
    .filter((axis) => isOfConditions && axis.name !== name && !isCondition)
    .map((axis) => (members: readonly CellResult[]) => {
      const [value] = members.flatMap(({ values }) => values[axis.name] ?? []);
      return value === undefined ? [] : [`${axis.name} = ${value}`];
    })
    .filter((textOf) => distinct(places.map((members) => textOf(members).join())).length > 1);
  return (members) => {
    const texts = [
      ...(tellsCondition ? conditionsOf(members).slice(0, 1) : []),
      ...siblings.flatMap((textOf) => textOf(members)),
      ...partsOf(members).map(({ text }) => text),
    ];
    return texts.length === 0 ? ['all runs'] : texts;
  };
}
