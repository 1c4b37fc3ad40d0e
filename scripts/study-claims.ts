/**
 * `npm run study:claims -- FOLDER`: judges the claims of a study again by the present rule, from the differences that are
 * recorded in its `tables/claims.csv`. It is for a study whose runs are gone. If they still exist, use `npm run report`.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { runMain } from '../src/cli/fail.ts';
import { UserError } from '../src/errors.ts';
import { type JudgedClaim, weigh } from '../src/report/study/claims.ts';
import { type Interval, type Spread, tQuantile } from '../src/report/study/statistics.ts';
import { toCsv, toLatex, toMarkdown } from '../src/report/study/table.ts';
import { claimsTable } from '../src/report/study/tables.ts';
import { writeWhole } from '../src/whole-file.node.ts';

async function main([folder]: readonly string[]): Promise<void> {
  if (folder === undefined)
    throw new UserError('study:claims: expected the folder of a study, for example docs/study');
  const file = path.join(folder, 'tables', 'claims.csv');
  const table = claimsTable(judgeRecorded(parseCsv(await readFile(file, 'utf8')), file));
  await writeWhole(file, toCsv(table));
  await writeWhole(path.join(folder, 'tables', 'claims.md'), toMarkdown(table));
  await writeWhole(path.join(folder, 'tables', 'claims.tex'), toLatex(table));
  for (const [claim, verdict] of new Map(table.rows.map((row) => [row[0], row.at(-1)])))
    console.log(`${verdict}: ${claim}`);
}

/** The rows of a CSV text (RFC 4180). */
function parseCsv(text: string): readonly (readonly string[])[] {
  return text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) =>
        quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"'),
      ),
    );
}

function judgeRecorded([head = [], ...rows]: readonly (readonly string[])[], file: string): JudgedClaim[] {
  const at = (name: string): number => {
    const index = head.findIndex((column) => column.startsWith(name));
    if (index < 0)
      throw new UserError(`${file}: expected a column "${name}", as the report of a study writes it`);
    return index;
  };
  const [claimAt, authorsAt, differenceAt, settingAt, meanAt, pairsAt] = [
    at('claim'),
    at('authors'),
    at('difference'),
    at('setting'),
    at('this study'),
    at('pairs'),
  ];
  return [...new Set(rows.map((row) => row[claimAt] ?? ''))].map((claim): JudgedClaim => {
    const own = rows.filter((row) => row[claimAt] === claim);
    const difference = own[0]?.[differenceAt] ?? '';
    const recorded = own.map((row) => ({
      where: row[settingAt] ?? '',
      interval: recordedInterval(row.slice(meanAt, meanAt + 3), Number(row[pairsAt])),
    }));
    const { evidence, verdict } = weigh(
      recorded.map(({ where, interval }) => ({ where, spread: spreadOf(interval) })),
      difference.endsWith('above 0') ? 'above 0' : 'below 0',
    );
    // The interval keeps its recorded digits, so that judging again changes nothing.
    const told = evidence.map((each, i) => ({ ...each, interval: recorded[i]?.interval ?? null }));
    return { claim, short: claim, difference, authors: own[0]?.[authorsAt] ?? '', evidence: told, verdict };
  });
}

function recordedInterval(cells: readonly string[], n: number): Interval | null {
  const [mean, low, high] = cells.map((cell) => (cell === '' ? null : Number(cell)));
  return mean == null ? null : { mean, low: low ?? null, high: high ?? null, n };
}

/** The mean and standard deviation that give this 95 % interval. */
function spreadOf(interval: Interval | null): Spread | null {
  if (interval === null) return null;
  const { mean, low, high, n } = interval;
  const reach = low === null || high === null ? null : (high - low) / 2;
  return { mean, sd: reach === null ? null : (reach * Math.sqrt(n)) / tQuantile(0.975, n - 1), n };
}

await runMain(main);
