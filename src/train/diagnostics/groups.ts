/** Parameters in groups by what they are part of, so that a large model has a few lines in a chart. */

/** The first pattern that a path matches names its group. */
const GROUPS: readonly (readonly [pattern: RegExp, group: string])[] = [
  [/(^|\/)norm\d*\//, 'norms'],
  [/(^|\/)attn\//, 'attention'],
  [/(^|\/)mlp\//, 'mlp'],
  [/^(embed\/|cls$|positions$)/, 'embedding'],
  [/^head\//, 'head'],
];

/** The group of any path; of one that no pattern covers, its first part without a number: `fc12/kernel` is of `fc`. */
export function groupOf(path: string): string {
  const known = GROUPS.find(([pattern]) => pattern.test(path));
  if (known) return known[1];
  const [first = path] = path.split('/');
  return first.replace(/\d+$/, '') || first;
}

/** The parameters' numbers by group, in the order in which the groups first appear. */
export function groupIndices(paths: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>();
  paths.forEach((path, i) => {
    const group = groupOf(path);
    groups.set(group, [...(groups.get(group) ?? []), i]);
  });
  return groups;
}
