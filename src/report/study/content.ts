/** All that a study's report shows, before it is laid out: its page and its files show the same. */
import type { StudyResults } from '../../study/results.ts';
import { type JudgedClaim, judgeClaims } from './claims.ts';
import { type Facets, facetsOf } from './facets.ts';
import {
  courseFigures,
  earlyFigures,
  type Figure,
  type FigureGroup,
  imagesFigures,
  modelFigures,
} from './figures.ts';
import type { Table } from './table.ts';
import {
  claimsTable,
  commonTable,
  errorTable,
  imagesTable,
  missingTable,
  modelsTable,
  runsTable,
  stabilityTable,
} from './tables.ts';

export interface StudyContent {
  readonly study: StudyResults;
  readonly facets: Facets;
  readonly claims: readonly JudgedClaim[];
  readonly tables: Readonly<
    Record<'claims' | 'errors' | 'stability' | 'images' | 'models' | 'missing' | 'runs' | 'common', Table>
  >;
  readonly course: readonly FigureGroup[];
  readonly early: readonly FigureGroup[];
  readonly images: readonly Figure[];
  readonly models: readonly Figure[];
}

export function studyContent(study: StudyResults): StudyContent {
  const facets = facetsOf(study);
  const claims = judgeClaims(facets);
  return {
    study,
    facets,
    claims,
    tables: {
      claims: claimsTable(claims),
      errors: errorTable(facets),
      stability: stabilityTable(facets),
      images: imagesTable(facets),
      models: modelsTable(facets),
      missing: missingTable(study),
      runs: runsTable(study),
      common: commonTable(study),
    },
    course: courseFigures(facets),
    early: earlyFigures(facets),
    images: imagesFigures(facets),
    models: modelFigures(facets),
  };
}

export function allFigures({ course, early, images, models }: StudyContent): readonly Figure[] {
  return [...[...course, ...early].flatMap(({ figures }) => figures), ...images, ...models];
}
