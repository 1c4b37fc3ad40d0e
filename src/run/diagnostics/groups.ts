/** Groups parameters by the part of the model they belong to, so that a large model has a few lines in a chart. */

/** The first pattern that a path matches names its group. */
const GROUPS: readonly (readonly [pattern: RegExp, group: string])[] = [
  [/(^|\/)norm\d*\//, 'norms'],
  [/(^|\/)attn\//, 'attention'],
  [/(^|\/)mlp\//, 'mlp'],
  [/(^|\/)merge\//, 'merging'],
  [/(^|\/)scale\d\/scale$/, 'layer scales'],
  [/(^embed\/|(^|\/)(embedding|cls|positions)$)/, 'embedding'],
  [/^head\//, 'head'],
];

/** The group of a path. If no pattern matches: the path's first part without its number, `fc` for `fc12/kernel`. */
export function groupOf(path: string): string {
  const known = GROUPS.find(([pattern]) => pattern.test(path));
  if (known) return known[1];
  const [first = path] = path.split('/');
  return first.replace(/\d+$/, '') || first;
}

/** The indices of the parameters by group. Groups are in the order in which they first appear. */
export function groupIndices(paths: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>();
  paths.forEach((path, i) => {
    const group = groupOf(path);
    groups.set(group, [...(groups.get(group) ?? []), i]);
  });
  return groups;
}
