/**
 * `npm run bench:web`: images a second in headless Chromium, in WebAssembly, beside TensorFlow.js and jax-js on the same
 * network, weights and images. Each round measures every library in turn.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runMain } from '../src/cli/fail.ts';
import { helpText, parseFlags } from '../src/cli/flags.ts';
import { serve } from '../src/cli/serve.ts';
import { UserError } from '../src/errors.ts';
import { graphsIn, namesIn } from './bench/flags.ts';
import { machine, machineLine } from './bench/machine.ts';
import { expectVit, openNetwork } from './bench/network.ts';
import { renderSection, type Section } from './bench/section.ts';
import { threadsIn, WEB_TABLE, WEB_WORK } from './bench/web/flags.ts';
import { findWebPeers } from './bench/web/peers.ts';
import { writeSite } from './bench/web/site.ts';
import { benchSizes } from './bench/web/sizes.ts';
import { benchWeb, type WebRow } from './bench/web/works.ts';
import { BROWSER_WANTED, hasBrowser, startBrowser } from './web/browser.ts';

await runMain(async (argv) => {
  const { values, given } = parseFlags(argv, WEB_TABLE);
  if (values.help) {
    const examples = ['npm run bench:web -- --quick', 'npm run bench:web -- --peers --json bench-web.json'];
    const about = 'Times forward pass, gradient and exact gradient regularization in a browser.';
    console.log(helpText(WEB_TABLE, { about, usage: 'npm run bench:web -- [options]', examples }));
    return;
  }
  const works = namesIn('--work', values.work, WEB_WORK);
  const threads = threadsIn(values.threads);
  const graphs = graphsIn(values.graphs);
  const networks = await Promise.all(
    graphs.map(async ({ name, batch }) => expectVit(await openNetwork(name, batch))),
  );
  const { found, notes } = values.peers ? findWebPeers(given.peers === true) : { found: [], notes: [] };
  if (!hasBrowser) throw new UserError(`bench:web: expected Chromium, found none; ${BROWSER_WANTED}`);

  const sections: Section[] = [];
  const rows: WebRow[] = [];
  const show = (section: Section) => {
    sections.push(section);
    console.log(renderSection(section).join('\n'));
  };
  show({ title: 'Machine', head: [], words: 0, rows: [], notes: [machineLine()] });
  if (notes.length > 0) show({ title: 'Peers', head: [], words: 0, rows: [], notes });
  const sizes = await benchSizes(found);
  show(sizes.section);

  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-bench-web-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await writeSite(folder, found);
  const [plain, isolated] = [await serve(folder), await serve(folder, { isolated: true })];
  const browser = await startBrowser();
  try {
    for (const network of networks) {
      const result = await benchWeb(network, works, {
        rounds: values.quick
          ? { counted: values.rounds ?? 3, warmup: 1 }
          : { counted: values.rounds ?? 7, warmup: 2 },
        threads,
        peers: found,
        browser,
        folder,
        origins: { plain: plain.origin, isolated: isolated.origin },
        limit: 1000 * values.limit,
        progress: (text) => {
          if (process.stderr.isTTY)
            process.stderr.write(text === '' ? '\r\x1b[K' : `\r\x1b[K${network.label}, ${text} `);
        },
      });
      rows.push(...result.rows);
      result.sections.forEach(show);
    }
  } finally {
    await browser.close();
    plain.close();
    isolated.close();
  }
  if (values.markdown !== undefined)
    writeFileSync(values.markdown, `${sections.flatMap(renderSection).join('\n').trimEnd()}\n`);
  if (values.json !== undefined) {
    const content = {
      machine: machine(),
      browser: browser.version(),
      options: values,
      sizes: sizes.rows,
      results: rows,
    };
    writeFileSync(values.json, `${JSON.stringify(content, null, 2)}\n`);
  }
});
