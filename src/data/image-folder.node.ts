/** Images of any size in a folder for each class (class-folders.node.ts). They are decoded when they are needed. */
import { UserError } from '../errors.ts';
import { IMAGENET_STATISTICS } from './augment.ts';
import { listClassFolders } from './class-folders.node.ts';
import type { DatasetSource, OpenDataset } from './dataset.ts';
import type { FileList } from './file-list.ts';
import { type ImageDataset, type ImageSplit, imageDataset } from './images.ts';
import { pictureSplit, wantedShape } from './pictures.node.ts';

export const open: OpenDataset = async (source) => imageDataset(await openImageFolder(source), source, 0);

/** Lists the folder; images are resized to the height and width that the task reads, and made grey for one channel. */
export async function openImageFolder(source: DatasetSource): Promise<ImageDataset> {
  const shape = wantedShape('image-folder', source);
  const { dir } = source;
  if (dir === undefined) {
    throw new UserError('image-folder: no folder was given: pass --data <folder with train/ and val/>');
  }
  const { classes, train, test, validation, found } = listClassFolders('image-folder', dir, 'images');
  const split = (files: FileList): ImageSplit =>
    pictureSplit(files, { dataset: 'image-folder', shape, verifies: true });
  return {
    name: 'image-folder',
    classes,
    ...shape,
    ...IMAGENET_STATISTICS[shape.channels],
    found,
    train: split(train),
    test: split(test),
    ...(validation && { validation: split(validation) }),
  };
}
