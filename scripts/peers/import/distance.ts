/** The norm of a difference over that of what is expected. */
export function distance(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [difference, size] = [0, 0];
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i] ?? 0, wanted[i] ?? 0];
    difference += (a - b) ** 2;
    size += b ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}
