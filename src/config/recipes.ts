/** Recipes: options that are set together, and what of them stands beside options that are given. Pure: also for browsers. */
import { show, UserError } from '../errors.ts';
import type { GivenOptions } from './options.ts';

/** Those of recipes/ that come with the project. */
export const RECIPE_NAMES = ['gnp-vit', 'gnp-cnn'] as const;
export type RecipeName = (typeof RECIPE_NAMES)[number];

/**
 * A recipe's options beside those that are given, without what would contradict these: another regularizer brings its own
 * strengths, λ takes α's place, no weight decay decays nothing, and without warmup nothing warms up.
 */
export function recipeOptions(recipe: GivenOptions, given: GivenOptions): GivenOptions {
  const has = (key: string, ...values: readonly unknown[]) => values.includes(given[key]);
  const isOther = (key: string) => given[key] !== undefined && given[key] !== recipe[key];
  const left = new Set<string>([
    ...Object.keys(recipe).filter((key) => given[key] !== undefined),
    ...(given.model === undefined ? [] : ['graph']),
    ...(isOther('gr') ? ['r', 'alpha', 'mix'] : []),
    ...(has('gr', 'none') || has('warmupEpochs', 0) ? ['grWarmup'] : []),
    ...(given.lambda === undefined ? [] : [given.alpha === undefined ? 'alpha' : 'r']),
    ...(isOther('optimizer') ? ['momentum', 'nesterov'] : []),
    ...(has('momentum', 0) ? ['nesterov'] : []),
    ...(has('weightDecay', 0) ? ['decayAll', 'weightDecayIn'] : []),
  ]);
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => !left.has(key)));
}

/** What a file of options says, and the recipe that it names. Throws a UserError that begins with `origin`. */
export function splitRecipe(
  values: unknown,
  origin: string,
): { readonly recipe: string | undefined; readonly options: unknown } {
  if (typeof values !== 'object' || values === null || !('recipe' in values))
    return { recipe: undefined, options: values };
  const { recipe, ...options } = values;
  return { recipe: recipeName(recipe, `${origin}: recipe`), options };
}

/** Throws a UserError that begins with `where` unless it is a text that could name a recipe. */
export function recipeName(recipe: unknown, where: string): string {
  if (typeof recipe === 'string' && recipe !== '') return recipe;
  throw new UserError(
    `${where}: expected one of ${RECIPE_NAMES.join(', ')}, or a JSON file of options, got ${show(recipe)}`,
  );
}
