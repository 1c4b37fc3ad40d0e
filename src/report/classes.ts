/** A classifier's result class by class, as a section of a page. */
import { type ClassScore, type Confusion, classScores, worstClasses } from '../inference/confusion.ts';
import { type Html, html } from './html.ts';

/** The most classes of a confusion matrix that can be read. With more, those of the lowest accuracy are listed. */
const MOST_CLASSES = 20;
const MISTAKES = 4;
/** The longest column name that is not turned. Longer ones are turned, so that the columns stay narrow. */
const LONGEST_LEVEL_NAME = 3;

export function classesSection(confusion: Confusion): Html {
  const scores = classScores(confusion);
  const images = scores.reduce((sum, score) => sum + score.images, 0).toLocaleString('en');
  const isMatrix = scores.length <= MOST_CLASSES;
  const note = isMatrix
    ? `The best checkpoint on ${images} test examples: a row for each class, and a column for each class that the network took its examples for.`
    : `The best checkpoint on ${images} test examples: the ${MOST_CLASSES} of ${scores.length} classes with the lowest accuracy.`;
  return html`<h2>Classes</h2>
<p class="note">${note}</p>
<div class="scroll">${isMatrix ? matrix(confusion, scores) : list(worstClasses(scores, MOST_CLASSES))}</div>`;
}

function matrix({ classes, counts }: Confusion, scores: readonly ClassScore[]): Html {
  const turn = classes.some((name) => name.length > LONGEST_LEVEL_NAME) ? 'turned' : '';
  const heads = classes.map((name) => html`<th scope="col" class="${turn}"><span>${name}</span></th>`);
  const rows = scores.map(({ name, images, accuracy }, label) => {
    const cells = classes.map((_, prediction) =>
      cell(counts[label]?.[prediction] ?? 0, images, label === prediction),
    );
    return html`<tr><th scope="row">${name}</th><td class="accuracy">${percent(accuracy)}</td>${cells}</tr>`;
  });
  return html`<table class="classes"><thead><tr><th scope="col">class</th><th scope="col">accuracy</th>${heads}</tr></thead>
<tbody>${rows}</tbody></table>`;
}

/**
 * A cell of the matrix, shaded by its share of the class. The diagonal is also bold, so it is not told by colour only.
 */
function cell(count: number, images: number, isRight: boolean): Html {
  if (count === 0) return html`<td class="none">0</td>`;
  // Mistakes are shaded by the square root, since a few in a thousand would not be seen on a linear scale.
  const shade = Math.round(isRight ? (40 * count) / images : 60 * Math.sqrt(count / images));
  const color = `color-mix(in srgb, var(--${isRight ? 'blue' : 'orange'}) ${Math.max(4, shade)}%, transparent)`;
  const text = count.toLocaleString('en');
  return html`<td style="background: ${color}">${isRight ? html`<b>${text}</b>` : text}</td>`;
}

function list(scores: readonly ClassScore[]): Html {
  const rows = scores.map(
    ({ name, images, accuracy, mistakes }) =>
      html`<tr><th scope="row">${name}</th><td class="accuracy">${percent(accuracy)}</td><td>${images.toLocaleString('en')}</td><td class="names">${mistakes
        .slice(0, MISTAKES)
        .map((mistake) => `${mistake.name} ×${mistake.count.toLocaleString('en')}`)
        .join(', ')}</td></tr>`,
  );
  return html`<table class="classes"><thead><tr><th scope="col">class</th><th scope="col">accuracy</th><th scope="col">examples</th><th scope="col" class="names">most often taken for</th></tr></thead>
<tbody>${rows}</tbody></table>`;
}

function percent(accuracy: number): string {
  return Number.isNaN(accuracy) ? '' : `${(100 * accuracy).toFixed(1)}\u202f%`;
}
