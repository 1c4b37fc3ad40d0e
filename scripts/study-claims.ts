/**
 * `npm run study:claims -- FOLDER…`: judges the claims of studies again by the present rule, from the differences that are
 * recorded in `tables/claims.csv`, and sets several studies beside each other. It is for a study whose runs are gone. If
 * they still exist, use `npm run report`.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { runMain } from '../src/cli/fail.ts';
import { UserError } from '../src/errors.ts';
import { type JudgedClaim, weigh } from '../src/report/study/claims.ts';
import { type Interval, type Spread, tQuantile } from '../src/report/study/statistics.ts';
import { type Table, toCsv, toLatex, toMarkdown } from '../src/report/study/table.ts';
import { claimsTable } from '../src/report/study/tables.ts';
import { writeWhole } from '../src/whole-file.node.ts';

async function main(folders: readonly string[]): Promise<void> {
  if (folders.length === 0)
    throw new UserError('study:claims: expected the folder of a study, for example docs/study/cpu');
  const judged = new Map<string, readonly JudgedClaim[]>();
  for (const folder of folders) judged.set(path.basename(folder), await judgeAgain(folder));
  if (folders.length > 1) console.log(toMarkdown(besideEachOther(judged)));
  else for (const { claim, verdict } of [...judged.values()].flat()) console.log(`${verdict}: ${claim}`);
}

/** The claims of a study, whose tables are written anew. */
async function judgeAgain(folder: string): Promise<readonly JudgedClaim[]> {
  const file = path.join(folder, 'tables', 'claims.csv');
  const claims = judgeRecorded(parseCsv(await readFile(file, 'utf8')), file);
  const table = claimsTable(claims);
  await writeWhole(file, toCsv(table));
  await writeWhole(path.join(folder, 'tables', 'claims.md'), toMarkdown(table));
  await writeWhole(path.join(folder, 'tables', 'claims.tex'), toLatex(table));
  return claims;
}

/** Each claim's verdict in each study, and in how many settings the numbers agree, disagree and cannot tell. */
function besideEachOther(judged: ReadonlyMap<string, readonly JudgedClaim[]>): Table {
  const claims = new Set([...judged.values()].flat().map(({ claim }) => claim));
  return {
    name: 'claims',
    title: "The paper's claims: verdict, and settings that agree / disagree / cannot tell",
    columns: ['claim', ...judged.keys()].map((name) => ({ name, kind: 'text' })),
    rows: [...claims].map((claim) => [
      claim,
      ...[...judged.values()].map((all) => {
        const own = all.find((each) => each.claim === claim);
        return own === undefined ? null : verdictText(own);
      }),
    ]),
  };
}

function verdictText({ verdict, evidence }: JudgedClaim): string {
  const settings = (['agrees', 'disagrees', 'cannot tell'] as const).map(
    (each) => evidence.filter((setting) => setting.verdict === each).length,
  );
  return `${verdict}, ${settings.join(' / ')}`;
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
