/** Pictures in a folder for each class: listed, and decoded to the size that a file takes. */
import { counted } from '../../counted.ts';
import type { ImageShape } from '../../data/augment.ts';
import type { ImageSplit } from '../../data/images.ts';
import { packedSplit } from '../../data/packed.ts';
import { partsOf } from '../../data/parts.ts';
import { channelsFirst } from '../../data/planes.ts';
import { UserError } from '../../errors.ts';
import { fitted, pixelsOf } from '../picture.ts';
import type { DataCard, PickedFile } from './messages.ts';

interface LabelledFile extends PickedFile {
  readonly label: number;
}

export interface PictureFolder {
  readonly kind: 'pictures';
  readonly classes: readonly string[];
  readonly all: readonly LabelledFile[];
  /** The files by what they are for, where folders say it: `train/` beside `test/` or `val/`. */
  readonly parts: readonly [train: readonly LabelledFile[], held: readonly LabelledFile[]] | undefined;
}

const PICTURE = /\.(jpe?g|png|webp|gif|bmp|avif)$/i;
const TRAIN = /^train(ing)?$/i;
const HELD = /^(test|testing|val|valid|validation)$/i;

export function isPicture({ path, file }: PickedFile): boolean {
  return file.type.startsWith('image/') || PICTURE.test(path);
}

/** The pictures by the folders that they lie in. Throws UserError where these are not two or more. */
export function listPictures(files: readonly PickedFile[]): PictureFolder {
  const pictures = files.filter(isPicture).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const placed = pictures.map((each) => {
    const [of = '', within = ''] = each.path.split('/').slice(0, -1).reverse();
    return { ...each, of, within };
  });
  const stray = placed.find(({ of }) => of === '');
  if (stray) {
    throw new UserError(
      `${stray.path}: expected each picture in a folder of its class, photos/cat/1.jpg; choose the folder photos`,
    );
  }
  const classes = [...new Set(placed.map(({ of }) => of))].sort();
  if (classes.length < 2) {
    throw new UserError(
      `expected two folders of pictures or more, one for each class, got ${classes.length === 0 ? 'no pictures' : `one: ${classes[0]}`}`,
    );
  }
  const all = placed.map((each) => ({ ...each, label: classes.indexOf(each.of) }));
  const train = all.filter(({ within }) => TRAIN.test(within));
  const held = all.filter(({ within }) => HELD.test(within));
  const parts = train.length > 0 && held.length > 0 ? ([train, held] as const) : undefined;
  return { kind: 'pictures', classes, all: parts ? [...train, ...held] : all, parts };
}

export function aboutPictures({ classes, all, parts }: PictureFolder): DataCard {
  const held = parts ? `, ${parts[1].length} of them held out by their folder` : '';
  return {
    text: `${counted(all.length, 'picture')} in ${classes.length} classes${held}`,
    classes: classes.map((name, k) => [name, all.filter(({ label }) => label === k).length]),
  };
}

/** The pictures to train on, and those that are held out: their share, where folders do not say it. */
export function partsOfPictures(
  { all, parts, classes }: PictureFolder,
  heldOut: number,
): readonly [train: readonly LabelledFile[], held: readonly LabelledFile[]] {
  return parts ?? partsOf(all, ({ label }) => classes[label] ?? '', heldOut, 'held out');
}

/**
 * The pictures' middles at the size that is wanted. `told` is called with the number of those that are done. Throws
 * UserError for a file that does not decode.
 */
export async function decodePictures(
  files: readonly LabelledFile[],
  shape: ImageShape,
  told: (done: number) => void,
): Promise<ImageSplit> {
  const stride = shape.channels * shape.height * shape.width;
  const data = new Uint8Array(files.length * stride);
  for (const [i, { path, file }] of files.entries()) {
    told(i);
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new UserError(`${path}: it does not decode as a picture; remove it, or save it anew`);
    });
    data.set(channelsFirst(pixelsOf(fitted(bitmap, shape), shape.channels), shape.channels), i * stride);
    bitmap.close();
  }
  return packedSplit(
    data,
    Int32Array.from(files, ({ label }) => label),
    { start: 0, stride },
  );
}
