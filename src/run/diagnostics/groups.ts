/** Groups parameters by the part of the model they belong to, so that a large model has a few lines in a chart. */

type Groups = readonly (readonly [pattern: RegExp, group?: string])[];

const ENDS: Groups = [
  [/(^embed\/|(^|\/)(embedding|cls|positions)$)/, 'embedding'],
  [/^head\//, 'head'],
];

/** By kind, where every block is alike: in transformers. The first pattern that a path matches names its group. */
const BY_KIND: Groups = [
  [/(^|\/)norm\d*\//, 'norms'],
  [/(^|\/)attn\//, 'attention'],
  [/(^|\/)mlp\//, 'mlp'],
  [/(^|\/)merge\//, 'merging'],
  [/(^|\/)scale\d\/scale$/, 'layer scales'],
  ...ENDS,
];

/** By stage, where stages differ in size: in convolutional networks, whose norms count with their convolutions. */
const BY_STAGE: Groups = [[/^(stem|stage\d+)\//], [/(^|\/)norm\d*\//, 'norms'], ...ENDS];

/** The group of a path. If no pattern matches: the path's first part without its number, `fc` for `fc12/kernel`. */
export function groupOf(path: string, groups: Groups = BY_KIND): string {
  for (const [pattern, group] of groups) {
    const [whole, captured] = pattern.exec(path) ?? [];
    if (whole !== undefined) return group ?? captured ?? whole;
  }
  const [first = path] = path.split('/');
  return first.replace(/\d+$/, '') || first;
}

/** The indices of the parameters by group. Groups are in the order in which they first appear. */
export function groupIndices(paths: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const hasConvolutions = paths.some((path) => /(^|\/)conv\d*\/kernel$/.test(path));
  const groups = new Map<string, number[]>();
  paths.forEach((path, i) => {
    const group = groupOf(path, hasConvolutions ? BY_STAGE : BY_KIND);
    groups.set(group, [...(groups.get(group) ?? []), i]);
  });
  return groups;
}
