/** The recipes that a study's design names, put into it, so that its study.json stands on its own. */
import { readRecipe } from '../config/recipe-file.node.ts';
import { recipeName } from '../config/recipes.ts';
import { parseDesign, recipesIn, type StudyDesign } from './design.ts';

/** The design with the options of each recipe that it names and does not hold itself. Throws a UserError for another. */
export async function withRecipes(design: StudyDesign, origin: string): Promise<StudyDesign> {
  const own = design.recipes ?? {};
  const missing = recipesIn(design).filter(({ recipe }) => !Object.hasOwn(own, String(recipe)));
  if (missing.length === 0) return design;
  const read = missing.map(async ({ recipe, place }) => {
    const where = `${origin}: ${place}.recipe`;
    const name = recipeName(recipe, where);
    return [name, await readRecipe(name, where)] as const;
  });
  return parseDesign(
    { ...design, recipes: { ...Object.fromEntries(await Promise.all(read)), ...own } },
    origin,
  );
}
