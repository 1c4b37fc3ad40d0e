/** What a classifier takes the images of each class for. Pure: also for browsers. */

/** A confusion matrix. */
export interface Confusion {
  /** Names, by label. */
  readonly classes: readonly string[];
  /** `counts[label][prediction]` images. */
  readonly counts: readonly (readonly number[])[];
}

/** Counts batch by batch. `add` takes logits, float32 [n, classes], and labels, int32 [n]. */
export function countConfusion(classes: readonly string[]): {
  readonly confusion: Confusion;
  add(logits: Float32Array, labels: Int32Array): void;
} {
  const counts = classes.map(() => classes.map(() => 0));
  return {
    confusion: { classes, counts },
    add(logits, labels) {
      labels.forEach((label, i) => {
        const row = counts[label];
        const prediction = argmax(logits.subarray(i * classes.length, (i + 1) * classes.length));
        if (row) row[prediction] = (row[prediction] ?? 0) + 1;
      });
    },
  };
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
