/** Recipes from their files: recipes/<name>.json of the project, or a file of one's own. */
import { fileURLToPath } from 'node:url';
import { nearestName, show, UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { OPTIONS } from './config.ts';
import { checkOptions, type GivenOptions } from './options.ts';
import { RECIPE_NAMES } from './recipes.ts';

/**
 * The options of a recipe, by its name or as the path of a JSON file: options by their names in camelCase, and `about`, a
 * text for people. `where` says who names it. Throws a UserError where there is none, or an option in it is none.
 */
export async function readRecipe(recipe: string, where = '--recipe'): Promise<GivenOptions> {
  const file = recipe.endsWith('.json') ? recipe : fileOf(recipe, where);
  const values = await readJsonFile(file);
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new UserError(`${file}: expected a JSON object of options, got ${show(values)}`);
  const { about: _, ...options }: GivenOptions = { ...values };
  checkOptions(OPTIONS, options, file);
  return options;
}

function fileOf(recipe: string, where: string): string {
  const name = RECIPE_NAMES.find((each) => each === recipe);
  if (name !== undefined) return fileURLToPath(new URL(`../../recipes/${name}.json`, import.meta.url));
  const near = nearestName(recipe, RECIPE_NAMES);
  throw new UserError(
    `${where}: expected one of ${RECIPE_NAMES.join(', ')}, or a JSON file of options, got ${show(recipe)}${near === undefined ? '' : `; did you mean ${near}?`}`,
  );
}
