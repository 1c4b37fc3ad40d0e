/** All that a study's report shows, before it is laid out. The page and the files are made from it. */
import type { StudyResults } from '../../study/results.node.ts';
import { type JudgedClaim, judgeClaims } from './claims.ts';
import { type Facets, facetsOf } from './facets.ts';
import {
  courseFigures,
  earlyFigures,
  type Figure,
  type FigureGroup,
  modelFigures,
  sizeFigures,
} from './figures.ts';
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
  readonly tables: Readonly<
    Record<'claims' | 'errors' | 'stability' | 'sizes' | 'models' | 'missing' | 'runs' | 'common', Table>
  >;
  readonly course: readonly FigureGroup[];
  readonly early: readonly FigureGroup[];
  readonly sizes: readonly Figure[];
  readonly models: readonly Figure[];
}

export function studyContent(study: StudyResults): StudyContent {
  const facets = facetsOf(study);
  const all = judgeClaims(facets);
  const claims = all.filter(({ evidence }) => evidence.length > 0);
  return {
    study,
    facets,
    claims,
    otherClaims: all.filter((claim) => !claims.includes(claim)),
    tables: {
      claims: claimsTable(claims, Math.max(2, digitsOf(facets))),
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
  };
}

/** All figures, each with a file name of its own. */
export function allFigures({ course, early, sizes, models }: StudyContent): readonly Figure[] {
  const all = [...[...course, ...early].flatMap(({ figures }) => figures), ...sizes, ...models];
  return all.map((figure, i) => {
    const before = all.slice(0, i).filter(({ name }) => name === figure.name).length;
    return before === 0 ? figure : { ...figure, name: `${figure.name}--${before + 1}` };
  });
}
