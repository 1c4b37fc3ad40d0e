/**
 * `npm run bench:recipes`: the steps of the authors' recipes on small networks, beside a second writing of the authors'
 * step in JAX (`scripts/peers/jax_recipes.py`), from the same weights, with the same batches and dropout masks.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable, text, toggle } from '../src/config/options.ts';
import { UserError } from '../src/errors.ts';
import { readSafetensors } from '../src/storage/safetensors.node.ts';
import { encodeSafetensors } from '../src/storage/safetensors.ts';
import { namesIn } from './bench/flags.ts';
import {
  apart,
  goldenOf,
  handOver,
  openRecipe,
  type RecipeRun,
  STEPS,
  type Steps,
  takeSteps,
  VARIANT_NAMES,
  type VariantName,
} from './bench/recipes.ts';
import { renderSection } from './bench/section.ts';

const TABLE = {
  variant: text({
    group: 'What to compare',
    help: `Runs: ${VARIANT_NAMES.join(', ')}.`,
    placeholder: 'NAMES',
    default: VARIANT_NAMES.join(),
  }),
  steps: integer({ min: 1, max: STEPS }, { group: 'What to compare', help: 'Steps.', default: STEPS }),
  seed: integer(
    { min: 0 },
    {
      group: 'What to compare',
      help: 'Of weights, batches and masks.',
      default: undefined,
      unset: 'one at which no kink of relu parts the two',
    },
  ),
  float64: toggle({ group: 'How', help: 'JAX computes in float64.', default: false }),
  python: text({
    group: 'How',
    help: 'Python with jax, flax, optax and safetensors (scripts/peers/requirements-jax.txt).',
    placeholder: 'COMMAND',
    default: 'python3',
  }),
  golden: text({
    group: 'Output',
    help: "Write JAX's numbers for test/run/recipes.test.ts.",
    placeholder: 'FILE',
    default: undefined,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** In float32: the two sum in other orders, and the steps carry on what that changes. */
const TOLERANCE = 1e-4;
const SHOWN = [1, 10, 20, 30];

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = "Compares the steps of the authors' recipes with a second writing of their step in JAX.";
    const examples = [
      'npm run bench:recipes -- --python venv/bin/python',
      'npm run bench:recipes -- --python venv/bin/python --variant gnp-cnn --seed 0 --float64',
    ];
    console.log(helpText(TABLE, { about, usage: 'npm run bench:recipes -- [options]', examples }));
    return;
  }
  const names = namesIn('--variant', values.variant, VARIANT_NAMES);
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-recipes-'));
  const goldens: Record<string, unknown> = {};
  const rows: string[][] = [];
  try {
    for (const name of names) {
      const run = await openRecipe(name, values.seed);
      const ours = await takeSteps(run, values.steps);
      const theirs = await stepsOfJax(run, folder, values);
      rows.push(rowOf(name, ours, theirs));
      goldens[name] = goldenOf(theirs, run.tested);
      console.log((rows.at(-1) ?? []).join('  '));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const head = [
    'recipe',
    'worst loss',
    'at step',
    ...SHOWN.map((step) => `weights, step ${step}`),
    'parted at step',
  ];
  const title = `Relative differences from JAX in ${values.float64 ? 'float64' : 'float32'}`;
  console.log(`\n${renderSection({ title, head, words: 1, rows, notes: [] }).join('\n')}`);
  if (values.golden !== undefined) writeFileSync(values.golden, `${JSON.stringify(goldens, null, 1)}\n`);
});

async function stepsOfJax(
  run: RecipeRun,
  folder: string,
  { python, steps, float64 }: { python: string; steps: number; float64: boolean },
): Promise<Steps> {
  const { job, tensors } = handOver(run, steps);
  const files = {
    tensors: path.join(folder, 'given.safetensors'),
    out: path.join(folder, 'out.safetensors'),
  };
  writeFileSync(files.tensors, Buffer.concat(encodeSafetensors(tensors)));
  const file = path.join(folder, 'job.json');
  writeFileSync(file, JSON.stringify({ ...job, ...files, float64 }));
  const script = fileURLToPath(new URL('peers/jax_recipes.py', import.meta.url));
  const { status, stdout, stderr, error } = spawnSync(python, [script, file], { encoding: 'utf8' });
  if (status !== 0) {
    const last = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    throw new UserError(
      `--python ${python}: the run of ${run.name} failed: ${last}; it needs pip install -r scripts/peers/requirements-jax.txt`,
    );
  }
  const { losses } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  const variables = Array.from({ length: steps }, (): Record<string, Float32Array> => ({}));
  for (const { name: key, data } of await readSafetensors(files.out)) {
    const [step = '', ...parts] = key.split('/');
    const at = variables[Number(step)];
    if (at) at[parts.join('/')] = Float32Array.from(data, Number);
  }
  return { losses, variables };
}

/**
 * Where weights are apart by more than the tolerance, a relu's input may have been 0 but for rounding: `parted` is the
 * first such step. Sets the exit code where the two differ by more than the tolerance. */
function rowOf(name: VariantName, ours: Steps, theirs: Steps): string[] {
  const { losses, variables } = apart(ours, theirs);
  const worst = Math.max(...losses);
  const parted = variables.findIndex(({ difference }) => !(difference <= TOLERANCE));
  const shown = SHOWN.map((step) => variables[step - 1]);
  if (!(worst <= TOLERANCE && (variables.at(-1)?.difference ?? 1) <= TOLERANCE)) process.exitCode = 1;
  return [
    ...[name, worst.toExponential(1), String(losses.indexOf(worst) + 1)],
    ...shown.map((each) => each?.difference.toExponential(1) ?? ''),
    parted < 0 ? '' : `${parted + 1}: ${variables[parted]?.difference.toExponential(1)}`,
  ];
}
