/**
 * ImageNet (Russakovsky et al., *ImageNet Large Scale Visual Recognition Challenge*, IJCV 2015) in its usual folders,
 * `train/<wnid>/` and `val/<wnid>/`. Nothing but the files' names is held in memory, however many there are.
 */
import { UserError } from '../errors.ts';
import { IMAGENET_STATISTICS } from './augment.ts';
import { listClassFolders } from './class-folders.node.ts';
import type { DatasetSource, OpenDataset } from './dataset.ts';
import type { FileList } from './file-list.ts';
import { type ImageDataset, type ImageSplit, imageDataset } from './images.ts';
import { pictureSplit, wantedShape } from './pictures.node.ts';

export const open: OpenDataset = async (source) => imageDataset(await openImagenet(source), source, 0);

/** The middle of a picture that is tested: 224 of 256 pixels. */
const CENTRE = 224 / 256;

/**
 * Lists the folders. To test, the shorter side becomes 8/7 of the graph's (256 for 224) and the middle is cut out; to train
 * too, unless the augmentation begins with a random-resized-crop.
 */
export async function openImagenet(source: DatasetSource): Promise<ImageDataset> {
  const shape = wantedShape('imagenet', source);
  const { dir } = source;
  if (dir === undefined) {
    throw new UserError(
      'imagenet: no folder was given: pass --data <folder with train/<wnid>/ and val/<wnid>/>',
    );
  }
  const { classes, train, test, found } = listClassFolders('imagenet', dir, 'images', ['val']);
  const split = (files: FileList): ImageSplit =>
    pictureSplit(files, { dataset: 'imagenet', shape, centre: CENTRE });
  return {
    name: 'imagenet',
    classes,
    ...shape,
    ...IMAGENET_STATISTICS[shape.channels],
    found,
    train: split(train),
    test: split(test),
  };
}
