/** Settings that differ in one facet of scale only, from the smallest to the largest. */
import { type Condition, type Facets, type Setting, sameBut, settingName } from './facets.ts';
import { parameterCount } from './measures.ts';

export interface Family {
  readonly name: string;
  readonly members: readonly Setting[];
  /** All that occur in a member. */
  readonly conditions: readonly Condition[];
}

/** Of two members at least. Models whose size no diagnostics tell stay in the study's order. */
export function families({ settings, conditions }: Facets, facet: 'model' | 'fraction'): readonly Family[] {
  const size = (setting: Setting) => (facet === 'fraction' ? setting.fraction : (modelSize(setting) ?? 0));
  const firsts = settings.filter(
    (setting, i) => settings.findIndex((other) => sameBut([facet], other, setting)) === i,
  );
  return firsts
    .map((first) => ({
      name: settingName(first, [facet]),
      members: settings
        .filter((other) => sameBut([facet], other, first))
        .toSorted((a, b) => size(a) - size(b)),
    }))
    .filter(({ members }) => members.length > 1)
    .map(({ name, members }) => ({
      name,
      members,
      conditions: conditions.filter((condition) =>
        members.some(({ arms }) => arms.some((arm) => arm.condition.name === condition.name)),
      ),
    }));
}

/** In parameters. */
export function modelSize({ arms }: Setting): number | null {
  return parameterCount(arms.flatMap(({ cells }) => cells));
}
