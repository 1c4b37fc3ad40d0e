import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { threadsIn } from '../../scripts/bench/web/flags.ts';
import { findWebPeers } from '../../scripts/bench/web/peers.ts';
import { UserError } from '../../src/errors.ts';
import { program } from '../cli/_program.ts';
import { hasBrowser } from '../web/_browser.ts';

(hasBrowser ? test : test.skip)('ortgrad alone is timed in Chromium, for the flags given', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-bench-web-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'bench.json');
  const flags = '--no-peers --graphs vit-micro-mnist:2 --threads 1 --rounds 1 --quick --json';
  const { code, stdout, stderr } = await program('bench-web', ...flags.split(' '), file);
  t.is(code, 0, stderr);
  const { browser, sizes, results } = JSON.parse(readFileSync(file, 'utf8'));
  t.regex(browser, /^\d+\./);
  t.deepEqual(
    results.map(({ work, subject, threads }: Record<string, unknown>) => [work, subject, threads]),
    [
      ['forward', 'ortgrad', 1],
      ['gradient', 'ortgrad', 1],
      ['exact', 'ortgrad', 1],
    ],
  );
  for (const { median_ms, images_per_s } of results) t.is(images_per_s, 2000 / median_ms);
  t.true(results.every(({ median_ms }: { median_ms: number }) => median_ms > 0));
  t.regex(sizes[0].subject, /^ortgrad/);
  t.true(sizes[0].compressed_kb > 10 && sizes[0].compressed_kb < sizes[0].minified_kb);
  t.regex(stdout, /^\| work +\| by +\| threads \| images\/s /m);
});

test('peers that are not installed are a note, or an error where they are asked for', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-no-peers-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const { found, notes } = findWebPeers(false, folder);
  t.deepEqual(found, []);
  t.regex(notes.join(), /ortgrad alone: .* run npm ci --prefix scripts\/peers\/web$/);
  t.throws(() => findWebPeers(true, folder), {
    instanceOf: UserError,
    message:
      /^--peers: expected @tensorflow\/tfjs-core, .*@jax-js\/jax in .*; run npm ci --prefix scripts\/peers\/web$/,
  });
});

test('lists of threads name what is wrong with them', (t) => {
  t.deepEqual(threadsIn('1,2'), [1, 2]);
  for (const wrong of ['', '0', '1,', 'two'])
    t.throws(() => threadsIn(wrong), { instanceOf: UserError, message: /expected integers ≥ 1/ }, wrong);
});
