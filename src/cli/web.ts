/** `ortgrad web`: serves the page that trains an ONNX file of one's own. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { integer, type OptionTable, toggle } from '../config/options.ts';
import { webFiles } from '../runtime/web-files.node.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';
import { serve } from './serve.ts';
import { typed } from './typed.ts';

/** How a page is served. */
export const SERVING = {
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

/** The page, as the package holds it. */
const PAGE = fileURLToPath(new URL('../web/own', import.meta.url));

export async function web(argv: readonly string[]): Promise<void> {
  const { values } = parseFlags(argv, SERVING);
  if (values.help) {
    console.log(
      helpText(SERVING, {
        about:
          'Serves a page, to this machine, that trains an ONNX file of yours on pictures or texts of yours, in the browser. Needs npm install onnxruntime-web.',
        usage: typed('web', '[options]'),
        examples: [typed('web', '--port 3000')],
      }),
    );
    return;
  }
  const names = await readdir(PAGE);
  const site = new Map([
    ...webFiles({ webgpu: true, what: 'web' }),
    ...names.map((name) => [name, path.join(PAGE, name)] as const),
  ]);
  const { origin } = await serve(site, { isolated: values.isolation, port: values.port });
  print(`${origin}  (Ctrl-C ends it)`);
}
