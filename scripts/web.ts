/** `npm run web`: builds the pages that train, and serves them to this machine. */
import { runMain } from '../src/cli/fail.ts';
import { helpText, parseFlags } from '../src/cli/flags.ts';
import { serve } from '../src/cli/serve.ts';
import { SERVING } from '../src/cli/web.ts';
import { buildSite, SITE } from './web/site.ts';

await runMain(async (argv) => {
  const { values } = parseFlags(argv, SERVING);
  if (values.help) {
    const about =
      'Builds two pages, and serves them to this machine: one trains a Vision Transformer in the browser, the other an ONNX file of yours.';
    console.log(
      helpText(SERVING, {
        about,
        usage: 'npm run web -- [options]',
        examples: ['npm run web -- --port 3000'],
      }),
    );
    return;
  }
  await buildSite(SITE);
  const { origin } = await serve(SITE, { isolated: values.isolation, port: values.port });
  console.log(
    `a Vision Transformer: ${origin}\nan ONNX file of yours: ${origin}/onnx.html  (Ctrl-C ends it)`,
  );
});
