/** Families of settings that differ only in scale (model or number of examples), from the smallest to the largest. */
import type { Condition } from './conditions.ts';
import { type Facets, sameBut } from './facets.ts';
import { parameterCount } from './measures.ts';
import { type Setting, settingName } from './settings.ts';

export interface Family {
  readonly name: string;
  readonly members: readonly Setting[];
  /** All conditions of the members. */
  readonly conditions: readonly Condition[];
}

/** The families of two members or more. Models whose size is not known from diagnostics stay in the study's order. */
export function families(
  facets: Facets,
  facet: 'model' | 'fraction',
  settings: readonly Setting[] = facets.settings,
): readonly Family[] {
  const { conditions } = facets;
  const size = (setting: Setting) => (facet === 'fraction' ? setting.fraction : modelSize(setting)) ?? 0;
  const sized = settings.filter((setting) => setting[facet] !== null);
  const isSame = (a: Setting, b: Setting) => sameBut(facets, facet, a, b);
  const firsts = sized.filter((setting, i) => sized.findIndex((other) => isSame(other, setting)) === i);
  return firsts
    .map((first) => ({
      name: settingName(first, [facet]),
      members: sized.filter((other) => isSame(other, first)).toSorted((a, b) => size(a) - size(b)),
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

/** The number of a model's parameters; null where no diagnostics tell it. */
export function modelSize({ arms }: Setting): number | null {
  return parameterCount(arms.flatMap(({ cells }) => cells));
}
