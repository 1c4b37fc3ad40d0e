/**
 * `npm run bench:data`: images a second that are read and augmented. CIFAR-10's size in memory on one thread, without a
 * loader; and JPEGs of 500×375 through a loader, whose thread writes what libvips' threads decode.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable } from '../src/config/options.ts';
import { batchesOf, TO_TRAIN } from '../src/data/batches.ts';
import { type ImageInfo, imageFields, imageSplit } from '../src/data/images.ts';
import { openLoader } from '../src/data/loader.node.ts';
import { packedSplit } from '../src/data/packed.ts';
import { median } from '../src/median.ts';
import { parseAugmentation, stepsOf } from '../src/tasks/augmentation.ts';
import { writeImagenet } from '../test/data/_pictures.ts';

const TABLE = {
  rounds: integer({ min: 1 }, { group: 'Benchmark', help: 'Rounds, each of all rows in turn.', default: 5 }),
  images: integer({ min: 128 }, { group: 'Benchmark', help: 'Images in memory.', default: 5120 }),
  pictures: integer({ min: 32 }, { group: 'Benchmark', help: 'JPEG pictures of a folder.', default: 256 }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const IN_MEMORY = [
  'none',
  'crop-flip',
  'pad-crop:4:reflect,flip',
  'crop-flip + auto-augment, cutout, mixup = pad-crop:4,flip,auto-augment,cutout:16,mixup:0.2',
  'pad-crop:4,flip,rand-augment,random-erasing,cutmix',
  'random-resized-crop,flip',
] as const;

const CIFAR: ImageInfo = {
  name: 'cifar10',
  classes: 'airplane automobile bird cat deer dog frog horse ship truck'.split(' '),
  ...{ channels: 3, height: 32, width: 32 },
  ...{ mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  found: '',
};
const BATCH = 128;

/** A row: its name, and a function that reads one epoch and says how many images that were. */
interface Row {
  readonly name: string;
  readonly epoch: (epoch: number) => Promise<number>;
  readonly close?: () => Promise<void>;
}

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Measures the images a second that are read and augmented.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:data -- [options]', examples: [] }));
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'ortgrad-bench-'));
  try {
    const size = { width: 500, height: 375 };
    await writeImagenet(dir, { classes: 4, train: values.pictures / 4, test: 1, size });
    const rows = [
      ...IN_MEMORY.map((list) => inMemory(list, values.images)),
      await streamed(dir, 'random-resized-crop,flip'),
      await streamed(dir, 'none'),
    ];
    const rates = rows.map((): number[] => []);
    const perCpuSecond = rows.map((): number[] => []);
    for (let round = 0; round <= values.rounds; round++) {
      for (const [i, { epoch }] of rows.entries()) {
        const [start, used] = [performance.now(), process.cpuUsage()];
        const count = await epoch(round);
        if (round === 0) continue; // warms up
        rates[i]?.push((1000 * count) / (performance.now() - start));
        const { user, system } = process.cpuUsage(used);
        perCpuSecond[i]?.push((1e6 * count) / (user + system));
      }
    }
    for (const { close } of rows) await close?.();
    console.log(
      `${availableParallelism()} cores; images per second of a core's time, and per second (least, most); medians of ${values.rounds} rounds`,
    );
    rows.forEach(({ name }, i) => {
      const own = rates[i] ?? [];
      const [least, most] = [Math.min(...own), Math.max(...own)].map((rate) => rate.toFixed(0));
      const cpu = median(perCpuSecond[i] ?? []).toFixed(0);
      console.log(`${cpu.padStart(8)} ${median(own).toFixed(0).padStart(8)}  (${least}, ${most})  ${name}`);
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

function inMemory(row: string, count: number): Row {
  const [name = '', list = name] = row.split(' = ');
  const steps = parsedSteps(list);
  const size = 3 * 32 * 32;
  const data = Uint8Array.from(
    { length: count * size },
    (_, k) => (k * k * 7 + k * 13 + (k >> 5) * 31) % 251,
  );
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  const split = imageSplit(packedSplit(data, labels, { start: 0, stride: size }), CIFAR, steps);
  const isMixed = steps.some(({ step }) => step === 'mixup' || step === 'cutmix');
  const options = { batchSize: BATCH, seed: 0, shuffle: true, ...TO_TRAIN };
  const batches = batchesOf(imageFields(CIFAR, isMixed ? 10 : undefined), split, options);
  return {
    name: `32×32 in memory, one thread: ${name}`,
    async epoch(epoch) {
      let images = 0;
      for (let step = 0; step < batches.perEpoch; step++)
        images += (await batches.batch(epoch, step)).examples;
      return images;
    },
  };
}

function parsedSteps(list: string) {
  const augmentation = parseAugmentation(list, 'bench');
  return augmentation === 'auto' ? [] : stepsOf(augmentation);
}

async function streamed(dir: string, list: string): Promise<Row> {
  const source = {
    dataset: 'imagenet',
    dir,
    fields: imageFields({ channels: 3, height: 224, width: 224 }),
    augmentation: parseAugmentation(list, 'bench'),
  };
  const options = { split: 'train', batchSize: 32, seed: 0, shuffle: true, ...TO_TRAIN } as const;
  const loader = await openLoader({ source, ...options });
  return {
    name: `JPEG of 500×375 to 224×224, loader: ${list === 'none' ? 'resize 256, centre 224' : list}`,
    async epoch(epoch) {
      let images = 0;
      for await (const { examples } of loader.batches({ epoch })) images += examples;
      return images;
    },
    close: () => loader.close(),
  };
}
