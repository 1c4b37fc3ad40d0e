/**
 * Writes a small folder of generated pictures, to try a graph without its dataset:
 *
 *     npm run pictures -- tiny-imagenet DIR [classes] [training pictures of each class]
 */
import { writeImagenet, writeTinyImagenet } from '../test/data/_pictures.ts';

const [kind, dir, classes = '200', each = '1'] = process.argv.slice(2);
const write = { imagenet: writeImagenet, 'tiny-imagenet': writeTinyImagenet };
if ((kind !== 'imagenet' && kind !== 'tiny-imagenet') || dir === undefined) {
  throw new Error('expected imagenet or tiny-imagenet, and a folder');
}
await write[kind](dir, { classes: Number(classes), train: Number(each), test: 1 });
