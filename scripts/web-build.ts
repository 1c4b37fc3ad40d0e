/** `npm run web:build`: the pages that train, as a static site. */
import { runMain } from '../src/cli/fail.ts';
import { buildSite, SITE } from './web/site.ts';

await runMain(async () => {
  const bytes = await buildSite(SITE);
  console.log(`${SITE}/: ${(bytes / 1e6).toFixed(1)} MB, for any static server`);
});
