/** What a classifier takes the examples of each class for. Pure: also for browsers. */
import type { DatasetInfo } from '../data/dataset.ts';

/** A confusion matrix. */
export interface Confusion {
  /** Names, by label. */
  readonly classes: readonly string[];
  /** `counts[label][prediction]` examples. */
  readonly counts: readonly (readonly number[])[];
}

/**
 * The confusion matrix of a measurement, whose sums a task's metric `confusion` gives; undefined where the task has no
 * such metric, or the names are not as many as its classes.
 */
export function confusionOf(
  sums: Readonly<Record<string, Float64Array>>,
  classes: readonly string[],
): Confusion | undefined {
  const matrix = sums['confusion/matrix'];
  if (matrix?.length !== classes.length ** 2 || classes.length === 0) return undefined;
  const counts = classes.map((_, i) => [...matrix.subarray(i * classes.length, (i + 1) * classes.length)]);
  return { classes, counts };
}

/** The class names that a dataset says it has. */
export function classesOf({ about }: Pick<DatasetInfo, 'about'>): readonly string[] {
  const { classes } = about;
  return Array.isArray(classes) ? classes.map(String) : [];
}

/** The index of the largest element, the lowest one if several are equal; 0 if no element is a number. */
export function argmax(values: Float32Array): number {
  return values.reduce((top, value, i) => (value > (values[top] ?? 0) ? i : top), 0);
}

export interface ClassScore {
  readonly name: string;
  readonly images: number;
  /** 0 to 1; NaN without an image. */
  readonly accuracy: number;
  /** What its images were taken for instead, most often first. */
  readonly mistakes: readonly { readonly name: string; readonly count: number }[];
}

/** A score for each class, in the order of the labels. */
export function classScores({ classes, counts }: Confusion): ClassScore[] {
  return classes.map((name, label) => {
    const row = counts[label] ?? [];
    const images = row.reduce((sum, count) => sum + count, 0);
    const mistakes = row
      .map((count, prediction) => ({ name: classes[prediction] ?? '', count, prediction }))
      .filter(({ count, prediction }) => count > 0 && prediction !== label)
      .sort((a, b) => b.count - a.count)
      .map(({ name, count }) => ({ name, count }));
    return { name, images, accuracy: (row[label] ?? 0) / images, mistakes };
  });
}

/** The `limit` classes of the lowest accuracy, lowest first. Classes without an image are left out. */
export function worstClasses(scores: readonly ClassScore[], limit: number): ClassScore[] {
  return scores
    .filter(({ images }) => images > 0)
    .sort((a, b) => a.accuracy - b.accuracy)
    .slice(0, limit);
}
