/** `npm run web`: builds the page that trains, and serves it to this machine. */
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable, toggle } from '../src/config/options.ts';
import { serve } from './web/serve.ts';
import { buildSite, SITE } from './web/site.ts';

const TABLE = {
  port: integer(
    { min: 0, max: 65535 },
    { group: 'Page', help: 'Port to listen on; 0 takes a free one.', default: 8000 },
  ),
  isolation: toggle({
    group: 'Page',
    help: 'Send the two headers that the page needs for several threads. --no-isolation leaves them out, as plain servers do.',
    default: true,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about =
      'Builds the page that trains a Vision Transformer in the browser, and serves it to this machine.';
    console.log(
      helpText(TABLE, { about, usage: 'npm run web -- [options]', examples: ['npm run web -- --port 3000'] }),
    );
    return;
  }
  await buildSite(SITE);
  const { origin } = await serve(SITE, { isolated: values.isolation, port: values.port });
  console.log(`${origin}  (Ctrl-C ends it)`);
});
