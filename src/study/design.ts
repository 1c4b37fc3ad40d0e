/**
 * A study's design, as a person writes it in JSON: a base config, axes of values that vary it, and grids that say which
 * values go together. It expands to cells, each the config of an ordinary training run. Pure.
 *
 *     {
 *       "about": "Does zero-warmup repair GR?",
 *       "base": { "graph": "vit-micro-mnist", "epochs": 3 },
 *       "axes": {
 *         "lrWarmup": { "on": { "warmupEpochs": 1 }, "off": { "warmupEpochs": 0 } },
 *         "gr": { "none": { "gr": "none" }, "GR": { "gr": "fd", "r": 0.1, "alpha": 1, "grWarmup": "none" } },
 *         "seed": [0, 1, 2]
 *       },
 *       "grids": [{ "lrWarmup": ["on"] }, { "gr": ["none"] }],
 *       "compare": [{ "axis": "gr", "of": "GR", "against": "none" }]
 *     }
 *
 * A list is an axis over the option of its name. An object is an axis that gives each value a name and the options that
 * it sets. A grid takes all values of the axes that it does not name. Without `grids` there is one, of all values. A
 * cell that is in several grids is run once. `compare` names the comparisons that the study is made for (compare.ts); its
 * report corrects these among themselves, and calls all others exploratory.
 *
 * `recipe` may stand among the options of the base or of a value: the options of a recipe beside all others that are
 * set. A recipe is found by its name in `recipes`, where the command puts those that come with the project.
 */
import * as v from 'valibot';
import { graphName, OPTIONS, optionsInEffect, parseConfig, type TrainConfig } from '../config/config.ts';
import { checkOptions, type GivenOptions, type OptionTable } from '../config/options.ts';
import { recipeName, recipeOptions } from '../config/recipes.ts';
import { mismatch, show, UserError } from '../errors.ts';
import { checkComparison, comparisonSchema, unknownName } from './compare.ts';

const scalar = v.union([v.string(), v.number(), v.boolean()]);
const options = v.record(v.string(), scalar);

const designSchema = v.strictObject({
  $schema: v.optional(v.string()),
  about: v.optional(v.string(), ''),
  /** Folder of datasets that do not come with the project. */
  data: v.optional(v.string()),
  /** The command that began the study, for its report. */
  command: v.optional(v.string()),
  /** Recipes by name: options that are set together. */
  recipes: v.optional(v.record(v.string(), options)),
  base: v.optional(options, {}),
  axes: v.record(v.string(), v.union([v.pipe(v.array(scalar), v.nonEmpty()), v.record(v.string(), options)])),
  grids: v.optional(v.array(v.record(v.string(), v.array(scalar)))),
  compare: v.optional(v.array(comparisonSchema), []),
});

export type StudyDesign = v.InferOutput<typeof designSchema>;

/** One training run of a study. */
export interface Cell {
  /** The cell's main options in words, and a digest of its config. It is the name of the cell's folder. */
  readonly id: string;
  readonly config: TrainConfig;
  /** The name of the cell's value on each axis, without axes that make no difference to the cell. */
  readonly values: Readonly<Record<string, string>>;
}

export interface Axis {
  readonly name: string;
  /** Keys of the options that the axis' values set. */
  readonly options: readonly string[];
  /** The names of its values. */
  readonly values: readonly string[];
  /** Whether the design gives the values names. Otherwise they are values of one option. */
  readonly hasNames: boolean;
}

export interface Cells {
  /** In the order of seeds, so that a study that ends early has all cells of the first seeds. */
  readonly cells: readonly Cell[];
  /** In the order of the design. */
  readonly axes: readonly Axis[];
  /** How many combinations are no training run (`--gr-warmup zero` without warmup), by the reason. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/** Options of a training run that have no meaning in a study's cell. */
const NOT_OF_A_CELL = ['out', 'maxSteps', 'samples'];

/** Checks a parsed design; `origin` names it in errors. Throws a UserError that says where it is wrong. */
export function parseDesign(json: unknown, origin: string): StudyDesign {
  const result = v.safeParse(designSchema, json, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const where = v.getDotPath(issue);
    if (issue.type === 'strict_object' && issue.expected === 'never')
      throw unknownName(`${origin}: ${where}`, 'key', where ?? '', Object.keys(designSchema.entries));
    throw new UserError(`${origin}${where ? `: ${where}` : ''}: ${mismatch(issue)}`);
  }
  const design = result.output;
  for (const [name, recipe] of Object.entries(design.recipes ?? {}))
    checkSettings(recipe, `${origin}: recipes.${name}`);
  checkSettings(design.base, `${origin}: base`);
  for (const [axis, values] of Object.entries(design.axes)) {
    for (const [name, setting] of settingsOf(axis, values))
      checkSettings(setting, `${origin}: axes.${axis}.${name}`);
  }
  for (const [i, grid] of (design.grids ?? []).entries()) checkGrid(design, grid, `${origin}: grids.${i}`);
  for (const [i, comparison] of design.compare.entries())
    checkComparison(comparison, axesOf(design), `${origin}: compare.${i}`);
  return design;
}

/** The cells of a design. Throws a UserError where there are none. */
export function expandDesign(design: StudyDesign, origin: string): Cells {
  const axes = axesOf(design);
  const cells = new Map<string, Cell>();
  const leftOut = new Map<string, number>();
  for (const grid of design.grids ?? [{}]) {
    for (const { given: all, names } of combinations(design, grid)) {
      // Without options that have no effect, an axis over λ makes one run of `--gr none`, not several.
      const { recipe, ...set } = { ...design.base, ...all };
      const given = optionsInEffect({ ...recipeOptions(recipeOf(design, recipe, origin), set), ...set });
      try {
        const config = parseConfig(given, origin);
        const id = cellId(config, axes);
        const values = Object.fromEntries(
          Object.entries(names).filter(([axis, name]) =>
            hasEffect(settingOf(design, axis, name), { ...given, recipe }),
          ),
        );
        cells.set(id, { id, config, values: common(values, cells.get(id)?.values ?? values) });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        leftOut.set(error.message, (leftOut.get(error.message) ?? 0) + 1);
      }
    }
  }
  if (cells.size === 0) {
    const [reason = 'a grid without values'] = leftOut.keys();
    throw new UserError(`${origin}: no combination of its axes is a training run: ${reason}`);
  }
  return { cells: [...cells.values()].sort((a, b) => a.config.seed - b.config.seed), axes, leftOut };
}

/** The recipes that a design names, each once, and where. */
export function recipesIn({ base, axes }: StudyDesign): readonly { recipe: unknown; place: string }[] {
  const settings = [
    { setting: base, place: 'base' },
    ...Object.entries(axes).flatMap(([axis, values]) =>
      settingsOf(axis, values).map(([name, setting]) => ({ setting, place: `axes.${axis}.${name}` })),
    ),
  ];
  const named = settings.flatMap(({ setting, place }) =>
    setting.recipe === undefined ? [] : [{ recipe: setting.recipe, place }],
  );
  return named.filter(({ recipe }, i) => named.findIndex((other) => other.recipe === recipe) === i);
}

/** The options of a recipe; none without one. */
function recipeOf({ recipes = {} }: StudyDesign, recipe: unknown, origin: string): GivenOptions {
  if (recipe === undefined) return {};
  const found = recipes[recipeName(recipe, `${origin}: recipe`)];
  if (found) return found;
  throw new UserError(
    `${origin}: recipe: expected one of ${Object.keys(recipes).join(', ') || 'its own recipes, of which it has none'}, got ${show(recipe)}`,
  );
}

function axesOf(design: StudyDesign): readonly Axis[] {
  const keysOf = (setting: GivenOptions) => [
    ...Object.keys(setting).filter((key) => key !== 'recipe'),
    ...Object.keys(recipeOf(design, setting.recipe, 'design')),
  ];
  return Object.entries(design.axes).map(([name, values]) => ({
    name,
    options: [...new Set(settingsOf(name, values).flatMap(([, setting]) => keysOf(setting)))],
    values: settingsOf(name, values).map(([value]) => value),
    hasNames: !Array.isArray(values),
  }));
}

/** Whether an option that a value sets is in the cell. A later axis may set it again, or it may have no effect. */
function hasEffect(setting: GivenOptions, given: GivenOptions): boolean {
  const settings = Object.entries(setting);
  return settings.length === 0 || settings.some(([key, value]) => given[key] === value);
}

/** The values that two combinations of one cell share. Where they differ, the axis makes no difference to the cell. */
function common(a: Cell['values'], b: Cell['values']): Cell['values'] {
  return Object.fromEntries(Object.entries(a).filter(([axis, name]) => b[axis] === name));
}

function checkSettings(setting: GivenOptions, origin: string): void {
  const { recipe, ...own } = setting;
  if (recipe !== undefined) recipeName(recipe, `${origin}: recipe`);
  checkOptions(OPTIONS, own, origin);
  const foreign = NOT_OF_A_CELL.find((key) => Object.hasOwn(setting, key));
  if (foreign !== undefined)
    throw new UserError(`${origin}: ${foreign}: has no meaning in a study; leave it out`);
}

type AxisValues = StudyDesign['axes'][string];

/** The values of an axis: the name of each, and the options that it sets. */
function settingsOf(axis: string, values: AxisValues): [name: string, setting: GivenOptions][] {
  return Array.isArray(values)
    ? values.map((value) => [String(value), { [axis]: value }])
    : Object.entries(values);
}

function settingOf({ axes }: StudyDesign, axis: string, name: string): GivenOptions {
  const values = axes[axis];
  return values === undefined ? {} : (new Map(settingsOf(axis, values)).get(name) ?? {});
}

function checkGrid(
  { axes }: StudyDesign,
  grid: Readonly<Record<string, readonly unknown[]>>,
  origin: string,
): void {
  for (const [axis, chosen] of Object.entries(grid)) {
    const values = axes[axis];
    if (values === undefined) throw unknownName(`${origin}: ${axis}`, 'axis', axis, Object.keys(axes));
    const names = settingsOf(axis, values).map(([name]) => name);
    for (const name of chosen.map(String)) {
      if (!names.includes(name)) throw unknownName(`${origin}.${axis}: ${show(name)}`, 'value', name, names);
    }
  }
}

/** A value of each axis: the options that they set together, and their names. */
interface Combination {
  readonly given: GivenOptions;
  readonly names: Readonly<Record<string, string>>;
}

function combinations(
  { axes }: StudyDesign,
  grid: Readonly<Record<string, readonly unknown[]>>,
): Combination[] {
  return Object.entries(axes).reduce<Combination[]>(
    (before, [axis, values]) => {
      const chosen = grid[axis]?.map(String);
      const settings = settingsOf(axis, values).filter(([name]) => chosen?.includes(name) ?? true);
      return before.flatMap(({ given, names }) =>
        settings.map(([name, setting]) => ({
          given: { ...given, ...setting },
          names: { ...names, [axis]: name },
        })),
      );
    },
    [{ given: {}, names: {} }],
  );
}

/** `vit-micro-mnist-adamw-warmup-fd-zero-s0-1f3c9a`. */
function cellId(config: TrainConfig, axes: readonly Axis[]): string {
  const { graph, trainFraction, optimizer, warmupEpochs, gr, grWarmup, seed } = config;
  const words = [
    graphName(graph),
    trainFraction === 1 ? '' : `x${trainFraction}`,
    optimizer,
    warmupEpochs > 0 ? 'warmup' : 'nowarmup',
    gr,
    grWarmup === 'none' ? '' : grWarmup,
    `s${seed}`,
    digest(config, axes),
  ];
  return words.filter((word) => word !== '').join('-');
}

/**
 * FNV-1a of the options that enter the computation and of those that an axis sets. 6 hexadecimal digits are enough,
 * since the words of the id tell most cells apart.
 */
function digest(config: TrainConfig, axes: readonly Axis[]): string {
  const values: GivenOptions = config;
  const isOnAxis = (key: string) => axes.some(({ options }) => options.includes(key));
  const text = Object.entries<OptionTable[string]>(OPTIONS)
    .filter(([key, { info }]) => isOnAxis(key) || (!info.resumable && key !== 'data'))
    .filter(([key]) => values[key] !== undefined)
    .map(([key]) => `${key}=${values[key]}`)
    .join();
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 8).toString(16).padStart(6, '0');
}
