/** How the variables of a model are named in files, by family: a line for each table of names. */
import { timmCait } from './cait.ts';
import type { Naming } from './naming.ts';
import { torchvisionResnet } from './resnet.ts';
import { timmSwin } from './swin.ts';
import { torchvisionVgg } from './vgg.ts';
import { huggingFaceVit, timmVit } from './vit.ts';

const ortgrad: Naming = {
  name: 'ortgrad',
  matches: (names, paths) => paths.some((path) => names.has(path)),
  source: (name) => ({ name }),
};

/** In the order in which they are tried: what has a ViT's names and more comes before it. */
export const NAMINGS: readonly Naming[] = [
  ortgrad,
  timmSwin,
  timmCait,
  timmVit,
  huggingFaceVit,
  torchvisionResnet,
  torchvisionVgg,
];
