import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { worstError } from '../../scripts/bench/compare.ts';
import { graphsIn, namesIn } from '../../scripts/bench/flags.ts';
import { pointsOf } from '../../scripts/bench/growth.ts';
import { machineLine, vectorExtensions } from '../../scripts/bench/machine.ts';
import { expectVit, forwardFlops, openNetwork } from '../../scripts/bench/network.ts';
import { WORK } from '../../scripts/bench/protocol.ts';
import { renderSection } from '../../scripts/bench/section.ts';
import { exponent, medianRatio, norm } from '../../scripts/bench/statistics.ts';
import { partOf, readTrace, sharesBy } from '../../scripts/bench/trace.ts';
import { UserError } from '../../src/errors.ts';
import { median } from '../../src/median.ts';
import { program } from '../cli/_program.ts';

test('medians of odd and even series, and of ratios round by round', (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 2, 3]), 2.5);
  // The machine slowed down in the last round, for both.
  t.is(medianRatio([3, 4, 20], [2, 2, 10]), 2);
});

test('the vector extensions are those that Linux lists, and unknown elsewhere', (t) => {
  const x86 = 'processor\t: 0\nflags\t\t: fpu sse2 avx2 avx512f amx_tile\nbogomips\t: 5200\n';
  t.deepEqual(vectorExtensions(x86), ['AVX2', 'AVX-512', 'AMX']);
  t.deepEqual(vectorExtensions('flags : fpu avx2\n'), ['AVX2']);
  t.deepEqual(vectorExtensions('Features\t: fp asimd evtstrm\n'), ['NEON']);
  t.deepEqual(vectorExtensions('flags : fpu sse2\n'), ['none']);
  t.deepEqual(vectorExtensions(undefined), ['unknown']);
  t.regex(machineLine(), /cores, vector extensions \S/);
});

test('the exponent of a power law is found again', (t) => {
  const points = [1, 2, 4].map((x) => [x, 7 * x ** 1.5] as const);
  t.true(Math.abs(exponent(points) - 1.5) < 1e-12);
});

test('a norm takes arrays longer than an argument list', (t) => {
  t.is(norm(new Float32Array(1 << 20).fill(1)), 1024);
});

test('results are compared tensor by tensor, zero gradients against the whole', (t) => {
  const expected = new Map([
    ['loss', [2]],
    ['grad/a', [3, 4]],
    ['grad/key/bias', [1e-9]],
  ]);
  const altered = (name: string, values: number[]) => new Map([...expected, [name, values]]);
  t.is(worstError(expected, expected), 0);
  t.true(Math.abs(worstError(altered('grad/a', [3, 4.05]), expected) - 0.01) < 1e-9);
  t.true(worstError(altered('grad/key/bias', [-1e-9]), expected) < 1e-9);
  t.true(worstError(altered('loss', [2.2]), expected) > 0.09);
  t.is(worstError(altered('grad/a', [3, Number.NaN]), expected), Infinity);
  t.is(worstError(new Map([['loss', [2]]]), expected), Infinity);
});

test('the nominal forward pass of ViT-Ti is that of the architecture, whatever the passes do', async (t) => {
  const { spec } = await openNetwork('vit-ti-cifar10', 32);
  const [tokens, d, rows] = [65, 192, 32 * 65];
  // Per block: q, k, v and out (4 d²), the MLP (8 d²), and scores and mixing (2 tokens·d).
  const block = 2 * rows * (12 * d * d + 2 * tokens * d);
  t.is(forwardFlops(spec, 32), 12 * block + 2 * 32 * 64 * 48 * d + 2 * 32 * d * 10);
});

test('a network at half, once and twice its batch, tokens and layers', async (t) => {
  const network = expectVit(await openNetwork('vit-ti-cifar10', 1));
  const sizes = (axis: 'batch' | 'tokens' | 'layers') => pointsOf(network, axis).map(({ size }) => size);
  t.deepEqual(sizes('batch'), [1, 2]);
  t.deepEqual(sizes('tokens'), [33, 65, 129]);
  t.deepEqual(sizes('layers'), [6, 12, 24]);
});

test('a profile gives time by op and part, without its first run', (t) => {
  const kernel = (name: string, op: string, ts: number, dur: number, more = {}) => ({
    cat: 'Node',
    name: `${name}_kernel_time`,
    ts,
    dur,
    args: { op_name: op, ...more },
  });
  const products = {
    input_type_shape: [{ float: [10, 20] }, { float: [20, 30] }],
    output_type_shape: [{ float: [10, 30] }],
  };
  const run = (ts: number, dur: number) => ({ cat: 'Session', name: 'model_run', ts, dur });
  const trace = readTrace([
    { cat: 'Session', name: 'session_initialization', ts: 0, dur: 5 },
    kernel('block0/mlp/fc1/Gemm', 'Gemm', 10, 900, products),
    run(10, 1000),
    kernel('block0/mlp/fc1/Gemm', 'Gemm', 2000, 4, products),
    kernel('block1/mlp/fc1/Gemm_1', 'Gemm', 2010, 6, products),
    kernel('block1/mlp/fc1/Add', 'Add', 2020, 10),
    kernel('order/head/Shape', 'Shape', 2030, 20),
    run(2000, 100),
    kernel('block0/mlp/fc1/Gemm', 'Gemm', 3000, 2, products),
    kernel('block1/mlp/fc1/Gemm_1', 'Gemm', 3010, 8, products),
    run(3000, 200),
  ]);
  t.deepEqual(trace.runs, [100, 200]);
  const byOp = sharesBy(trace, ({ op }) => op);
  t.deepEqual(
    byOp.map(({ name, count, ms, share }) => [name, count, ms, share]),
    [
      ['Gemm', 2, 0.01, 0.4],
      ['Shape', 0.5, 0.01, 0.4],
      ['Add', 0.5, 0.005, 0.2],
    ],
  );
  // Four products of 2·10·20·30 operations in 20 µs.
  t.is(byOp[0]?.gflops, (4 * 12000) / 20 / 1000);
  t.deepEqual(
    sharesBy(trace, ({ node }) => partOf(node)).map(({ name, ms }) => [name, ms]),
    [
      ['block*/mlp/fc1', 0.015],
      ['order', 0.01],
    ],
  );
  t.is(partOf('Mul_3'), '(none)');
});

test('a section is a Markdown table, its columns aligned', (t) => {
  const section = {
    title: 'T',
    head: ['by', 'ms'],
    words: 1,
    rows: [
      ['us', '5'],
      ['others', '12345'],
    ],
    notes: ['n'],
  };
  t.deepEqual(renderSection(section), [
    '### T',
    '',
    '| by     |    ms |',
    '| ------ | ----: |',
    '| us     |     5 |',
    '| others | 12345 |',
    '',
    '- n',
    '',
  ]);
});

test('lists in flags name what is wrong with them', (t) => {
  t.deepEqual(graphsIn('a,vit-ti-cifar10:32'), [
    { name: 'a', batch: undefined },
    { name: 'vit-ti-cifar10', batch: 32 },
  ]);
  for (const wrong of ['a:0', 'a:b', 'a,', ':4'])
    t.throws(() => graphsIn(wrong), { instanceOf: UserError, message: /expected NAME or NAME:BATCH/ }, wrong);
  t.deepEqual(namesIn('--work', 'fd,exact', WORK), ['fd', 'exact']);
  t.throws(() => namesIn('--work', 'exakt', WORK), { instanceOf: UserError, message: /did you mean exact/ });
});

test('a network with dropout is timed beside the same without', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-bench-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'bench.json');
  const flags =
    '--dropout 0.5 --graphs vit-micro-mnist:2 --work gradient --rounds 1 --quick --threads 1 --json';
  const { code, stdout, stderr } = await program('bench', ...flags.split(' '), file);
  t.is(code, 0, stdout + stderr);
  const [{ dropout: rows }] = JSON.parse(readFileSync(file, 'utf8')).results;
  t.deepEqual(
    rows.map(({ subject, dropout }: Record<string, unknown>) => [subject, dropout]),
    [
      ['ortgrad', 0],
      ['ortgrad', 0.5],
    ],
  );
  t.is(rows[0].time_ratio, 1);
  t.true(rows[1].time_ratio > 0);
});

test('a forward pass drops nothing', async (t) => {
  const { code, stderr } = await program('bench', '--dropout', '0.1', '--work', 'exact,forward');
  t.is(code, 1);
  t.regex(stderr, /--dropout: nothing is dropped in a forward pass; leave it out of --work/);
});
