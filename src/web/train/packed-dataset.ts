/** A small dataset as one file that a page fetches: compressed safetensors of its images. Pure; written in node. */
import * as v from 'valibot';
import type { Split } from '../../data/dataset.ts';
import { type ImageInfo, type ImageSplit, readImage } from '../../data/images.ts';
import { packedSplit } from '../../data/packed.ts';
import { shareOf } from '../../data/subset.ts';
import { UserError } from '../../errors.ts';
import type { OwnedBytes } from '../../owned-array.ts';
import { Images } from '../../storage/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../../storage/safetensors.ts';

interface About extends ImageInfo {
  /** The fraction of all training images that `train` has. datasets/subset.ts chooses them. */
  readonly fraction: number;
  /** The number of training images of each class, among all. */
  readonly classSizes: readonly number[];
}

export interface PageDataset extends About {
  readonly train: ImageSplit;
  readonly test: ImageSplit;
}

type PackedSplit = 'train' | 'test';

const Metadata = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ info: Images, fraction: v.number(), classSizes: v.array(v.number()) }),
);

/** The number of training images in a fraction of all. */
export function trainingImages({ classSizes }: Pick<About, 'classSizes'>, fraction: number): number {
  return classSizes.reduce((sum, size) => sum + shareOf(size, fraction), 0);
}

export async function packDataset({
  train,
  test,
  fraction,
  classSizes,
  ...info
}: About & { readonly train: Split; readonly test: Split }): Promise<OwnedBytes> {
  const tensors = [
    ...(await splitTensors('train', train, info)),
    ...(await splitTensors('test', test, info)),
  ];
  const about = { dataset: JSON.stringify({ info, fraction, classSizes }) };
  const file = new Blob(encodeSafetensors(tensors, about).map((piece) => new Uint8Array(piece)));
  return through(file, new CompressionStream('gzip'));
}

async function splitTensors(name: PackedSplit, split: Split, info: ImageInfo): Promise<NamedTensor[]> {
  const { channels, height, width } = info;
  const size = channels * height * width;
  const images = new Uint8Array(split.length * size);
  const labels = new Uint8Array(split.length);
  for (let i = 0; i < split.length; i++) {
    const { pixels, label } = await readImage(split, i, info);
    images.set(pixels, i * size);
    labels[i] = label;
  }
  return [
    { name: `${name}/images`, shape: [split.length, channels, height, width], data: images },
    { name: `${name}/labels`, shape: [split.length], data: labels },
  ];
}

/** Reads a packed dataset. Throws a UserError that names the file, `origin`, and what is wrong in it. */
export async function unpackDataset(packed: Blob, origin: string): Promise<PageDataset> {
  const bytes = await through(packed, new DecompressionStream('gzip')).catch(() => {
    throw new UserError(`${origin}: expected compressed images, got something else; copy the file again`);
  });
  const { tensors, metadata } = decodeSafetensors(bytes, origin);
  const about = v.safeParse(Metadata, metadata.dataset);
  if (!about.success) throw new UserError(`${origin}: it does not describe its images; copy the file again`);
  const { info, fraction, classSizes } = about.output;
  const split = (name: PackedSplit): ImageSplit => {
    const [images, labels] = ['images', 'labels'].map((part) => {
      const data = tensors.find((tensor) => tensor.name === `${name}/${part}`)?.data;
      if (!(data instanceof Uint8Array))
        throw new UserError(`${origin}: no ${name}/${part} in it; copy the file again`);
      return data;
    });
    const stride = info.channels * info.height * info.width;
    return packedSplit(images ?? new Uint8Array(), Int32Array.from(labels ?? []), { start: 0, stride });
  };
  return { ...info, fraction, classSizes, train: split('train'), test: split('test') };
}

async function through(content: Blob, stream: CompressionStream | DecompressionStream): Promise<OwnedBytes> {
  return new Uint8Array(await new Response(content.stream().pipeThrough(stream)).arrayBuffer());
}
