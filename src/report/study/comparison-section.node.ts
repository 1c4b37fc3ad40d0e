/** The part of a study's page that compares any two conditions, and any two values of an axis. */
import { renderForest } from '../forest.node.ts';
import { html } from '../html.ts';
import { COMPARISON_RULE, comparisonsTable, forests, POWER_RULE } from './comparison-tables.ts';
import type { ComparisonFamily } from './comparisons.ts';
import type { StudyContent } from './content.node.ts';
import type { Section } from './section.ts';
import { toHtml } from './table.ts';
import { digitsOf } from './tables.ts';

/** None where no two runs are compared. */
export function comparisonSection({ comparisons, tables, facets }: StudyContent): readonly Section[] {
  if (comparisons.length === 0) return [];
  const { judged } = facets;
  const digits = Math.max(2, digitsOf(facets));
  const shown = (families: readonly ComparisonFamily[]) =>
    html`<div class="charts forests">${forests(families, judged).map(renderForest)}</div>
${toHtml(comparisonsTable(families, judged, digits))}`;
  const named = comparisons.filter(({ kind }) => kind !== 'exploratory');
  const others = comparisons.filter(({ kind }) => kind === 'exploratory');
  const power = html`<p class="note">${POWER_RULE}</p>
${toHtml(tables.power)}`;
  const body = html`<p class="note">${COMPARISON_RULE}</p>
${named.length > 0 && shown(named)}
${named.length > 0 && power}
${
  others.length > 0 &&
  // Without comparisons that were named, these are all that there is to see.
  (named.length > 0
    ? html`<details><summary>Exploratory comparisons</summary>${shown(others)}</details>`
    : html`${shown(others)}
${power}`)
}`;
  return [{ id: 'comparisons', title: 'Comparisons', body }];
}
