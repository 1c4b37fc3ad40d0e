/** A study's report as files: the page, each figure as SVG and PNG, each table as Markdown, CSV and LaTeX. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { rasterizeSvg } from '../../data/picture.node.ts';
import { UserError } from '../../errors.ts';
import type { StudyResults } from '../../study/results.node.ts';
import { systemErrorMessage } from '../../system-error.ts';
import { writeWhole } from '../../whole-file.node.ts';
import { standaloneSvg } from '../standalone.node.ts';
import { type Asked, allFigures, studyContent } from './content.node.ts';
import { renderStudy } from './page.node.ts';
import { toCsv, toLatex, toMarkdown } from './table.ts';

/** The scale of the PNG files: 2 pixels for each of the drawing, which is sharp on a dense screen. */
const PIXELS = 2;

/**
 * Writes `report.html`, `figures/` and `tables/` into a study's folder. The study need not be finished. Each file is
 * replaced as a whole, so that a reader finds either the old or the new one.
 *
 * @returns the page's path, and a line on the power of each comparison that was named
 * @throws UserError where the disk refuses
 */
export async function writeStudyReport(
  folder: string,
  study: StudyResults,
  asked: Asked = {},
): Promise<{ readonly report: string; readonly power: readonly string[] }> {
  const content = studyContent(study, asked);
  const report = join(folder, 'report.html');
  try {
    await mkdir(join(folder, 'figures'), { recursive: true });
    await mkdir(join(folder, 'tables'), { recursive: true });
    for (const { name, subtitle, drawing } of allFigures(content)) {
      const svg = standaloneSvg(drawing, subtitle);
      await writeWhole(join(folder, 'figures', `${name}.svg`), svg);
      await writeWhole(join(folder, 'figures', `${name}.png`), await rasterizeSvg(svg, PIXELS));
    }
    for (const table of Object.values(content.tables)) {
      await writeWhole(join(folder, 'tables', `${table.name}.md`), toMarkdown(table));
      await writeWhole(join(folder, 'tables', `${table.name}.csv`), toCsv(table));
      await writeWhole(join(folder, 'tables', `${table.name}.tex`), toLatex(table));
    }
    await writeWhole(report, renderStudy(content));
  } catch (error) {
    const message = systemErrorMessage(error);
    throw message === undefined ? error : new UserError(message);
  }
  return { report, power: content.power };
}
