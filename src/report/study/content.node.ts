/** All that a study's report shows, before it is laid out. The page and the files are made from it. */
import type { Comparison } from '../../study/compare.ts';
import type { StudyResults } from '../../study/results.node.ts';
import { drawChart } from '../chart.node.ts';
import type { Drawing } from '../drawing.ts';
import { drawForest, type Forest } from '../forest.node.ts';
import { type JudgedClaim, judgeClaims } from './claims.ts';
import { comparisonsTable, forests, powerLines, powerTable } from './comparison-tables.ts';
import { type ComparisonFamily, compareAll } from './comparisons.ts';
import { type Facets, facetsOf } from './facets.ts';
import { courseFigures, earlyFigures, type Figure, type FigureGroup, fileName } from './figures.ts';
import { mechanismRatios, mechanismRuns, mechanismTable } from './mechanism.ts';
import { axisFigures, modelFigures, sizeFigures } from './scale-figures.ts';
import type { Table } from './table.ts';
import {
  claimsTable,
  commonTable,
  digitsOf,
  errorTable,
  missingTable,
  modelsTable,
  runsTable,
  sizeTable,
  stabilityTable,
} from './tables.ts';

export interface StudyContent {
  readonly study: StudyResults;
  readonly facets: Facets;
  /** The claims that apply: the design compares what they compare. */
  readonly claims: readonly JudgedClaim[];
  /** The claims that do not apply. */
  readonly otherClaims: readonly JudgedClaim[];
  readonly comparisons: readonly ComparisonFamily[];
  /** What the runs could have shown, a line for each comparison that was named. */
  readonly power: readonly string[];
  readonly forests: readonly Forest[];
  readonly tables: Readonly<
    Record<
      | 'claims'
      | 'comparisons'
      | 'power'
      | 'errors'
      | 'stability'
      | 'mechanism'
      | 'mechanismRatios'
      | 'mechanismRuns'
      | 'sizes'
      | 'models'
      | 'missing'
      | 'runs'
      | 'common',
      Table
    >
  >;
  readonly course: readonly FigureGroup[];
  readonly early: readonly FigureGroup[];
  readonly sizes: readonly Figure[];
  readonly models: readonly Figure[];
  /** Over each axis of numbers. */
  readonly axes: readonly Figure[];
}

/** What a person may ask of a report besides what the design says. */
export interface Asked {
  /** Comparisons that the design does not plan. */
  readonly compare?: readonly Comparison[];
  /** The difference of which the report says how many seeds it takes; 1 point by default, where errors are per cent. */
  readonly difference?: number | undefined;
}

export function studyContent(study: StudyResults, asked: Asked = {}): StudyContent {
  const facets = facetsOf(study);
  const { judged } = facets;
  const digits = Math.max(2, digitsOf(facets));
  const comparisons = compareAll(study, facets, asked.compare);
  const difference = asked.difference ?? (judged.isPercent ? 1 : null);
  const all = judgeClaims(facets);
  const claims = all.filter(({ evidence }) => evidence.length > 0);
  return {
    study,
    facets,
    claims,
    otherClaims: all.filter((claim) => !claims.includes(claim)),
    comparisons,
    power: powerLines(comparisons, judged, digits, difference),
    forests: forests(comparisons, judged),
    tables: {
      claims: claimsTable(claims, digits),
      comparisons: comparisonsTable(comparisons, judged, digits),
      power: powerTable(comparisons, judged, digits, difference),
      mechanism: mechanismTable(facets),
      mechanismRatios: mechanismRatios(facets),
      mechanismRuns: mechanismRuns(facets),
      errors: errorTable(facets),
      stability: stabilityTable(facets),
      sizes: sizeTable(facets),
      models: modelsTable(facets),
      missing: missingTable(study),
      runs: runsTable(study, facets),
      common: commonTable(study),
    },
    course: courseFigures(facets),
    early: earlyFigures(facets),
    sizes: sizeFigures(facets),
    models: modelFigures(facets),
    axes: axisFigures(facets),
  };
}

/** A drawing with the name of its files and the runs that it shows. */
export interface DrawnFigure {
  readonly name: string;
  readonly subtitle: string;
  readonly drawing: Drawing;
}

/** All figures, each with a file name of its own. */
export function allFigures({
  course,
  early,
  sizes,
  models,
  axes,
  forests,
}: StudyContent): readonly DrawnFigure[] {
  const charts = [...[...course, ...early].flatMap(({ figures }) => figures), ...sizes, ...models, ...axes];
  const all = [
    ...charts.map(({ name, subtitle, chart }) => ({ name, subtitle, drawing: drawChart(chart) })),
    ...forests.map((forest) => ({
      name: fileName(['comparisons', forest.title]),
      subtitle: '',
      drawing: drawForest(forest),
    })),
  ];
  return all.map((figure, i) => {
    const before = all.slice(0, i).filter(({ name }) => name === figure.name).length;
    return before === 0 ? figure : { ...figure, name: `${figure.name}--${before + 1}` };
  });
}
