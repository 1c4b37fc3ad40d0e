/** A classifier's accuracy of each class, as lines for a terminal. */
import { printable } from '../errors.ts';
import { type ClassScore, type Confusion, classScores, worstClasses } from '../inference/confusion.ts';

const WIDTH = 100;
const LONGEST_NAME = 24;
/** With more classes, only those of the lowest accuracy are listed. */
const MOST_CLASSES = 20;
const MISTAKES = 3;

/** A table of the classes, then the confusion matrix if it fits the width. */
export function classLines(confusion: Confusion): string[] {
  const scores = classScores(confusion);
  const isAll = scores.length <= MOST_CLASSES;
  return [
    '',
    ...(isAll ? [] : [`the ${MOST_CLASSES} of ${scores.length} classes with the lowest accuracy:`]),
    ...scoreLines(isAll ? scores : worstClasses(scores, MOST_CLASSES)),
    ...matrixLines(confusion),
  ];
}

function scoreLines(scores: readonly ClassScore[]): string[] {
  const rows = scores.map(({ name, images, accuracy, mistakes }) => [
    cut(name),
    images.toLocaleString('en'),
    images === 0 ? '' : `${(100 * accuracy).toFixed(2)}%`,
    mistakes
      .slice(0, MISTAKES)
      .map((mistake) => `${cut(mistake.name)} ×${mistake.count.toLocaleString('en')}`)
      .join(', '),
  ]);
  const all = [['class', 'images', 'accuracy', 'most often taken for'], ...rows];
  const widthOf = (column: number) => Math.max(...all.map((row) => row[column]?.length ?? 0));
  const [first, second, third] = [widthOf(0), widthOf(1), widthOf(2)];
  return all.map(([name = '', images = '', accuracy = '', mistakes = '']) =>
    [name.padEnd(first), images.padStart(second), accuracy.padStart(third), mistakes].join('  ').trimEnd(),
  );
}

/** Columns are numbered, since names would make them too wide. */
function matrixLines({ classes, counts }: Confusion): string[] {
  const isNumbered = classes.every((name, label) => name === String(label));
  const rowNames = classes.map((name, label) => (isNumbered ? name : `${label} ${cut(name)}`));
  const nameWidth = Math.max(...rowNames.map(({ length }) => length));
  const width = 1 + Math.max(...[...counts.flat(), classes.length - 1].map((count) => String(count).length));
  if (nameWidth + width * classes.length > WIDTH) return [];
  const line = (name: string, cells: readonly (number | string)[]) =>
    name.padEnd(nameWidth) + cells.map((cell) => String(cell).padStart(width)).join('');
  return [
    '',
    'confusion matrix: a row for each class, a column for what its images were taken for',
    line('', [...classes.keys()]),
    ...counts.map((row, label) =>
      line(
        rowNames[label] ?? '',
        row.map((count) => count || '·'),
      ),
    ),
  ];
}

function cut(name: string): string {
  const whole = printable(name);
  return whole.length > LONGEST_NAME ? `${whole.slice(0, LONGEST_NAME - 1)}…` : whole;
}
