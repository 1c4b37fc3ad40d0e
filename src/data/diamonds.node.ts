/**
 * Prices of 53,940 diamonds (ggplot2's `diamonds`), from the npm package `@observablehq/sample-datasets`. `x` float32
 * [26]: six sizes, standardised, then cut, color and clarity, one-hot. `y` float32 []: the price, standardised.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import type { OpenDataset } from './dataset.ts';
import { openTable } from './table.node.ts';
import { parseTable } from './table-options.ts';

const NUMBER = { type: 'number' };

const TABLE = parseTable(
  {
    columns: {
      carat: NUMBER,
      depth: NUMBER,
      table: NUMBER,
      x: NUMBER,
      y: NUMBER,
      z: NUMBER,
      // From the worst to the best.
      cut: { type: 'category', values: ['Fair', 'Good', 'Very Good', 'Premium', 'Ideal'] },
      color: { type: 'category', values: ['J', 'I', 'H', 'G', 'F', 'E', 'D'] },
      clarity: { type: 'category', values: ['I1', 'SI2', 'SI1', 'VS2', 'VS1', 'VVS2', 'VVS1', 'IF'] },
    },
    target: { type: 'number', column: 'price' },
  },
  'diamonds',
);

/** Opens `diamonds.csv` in `dir`, or in the npm package. A fifth of the rows, the same in every run, is to test with. */
export const open: OpenDataset = ({ dir, ...source }) =>
  openTable('diamonds', dir === undefined ? packageFile() : join(dir, 'diamonds.csv'), TABLE, source);

function packageFile(): string {
  try {
    return createRequire(import.meta.url).resolve('@observablehq/sample-datasets/diamonds.csv');
  } catch {
    throw new UserError(
      'diamonds: no folder was given and the package @observablehq/sample-datasets is not installed: run `npm install @observablehq/sample-datasets`, or pass --data <folder with diamonds.csv>',
    );
  }
}
