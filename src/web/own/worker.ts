/** The worker behind the page for a file of one's own: it reads, plans and trains, so that the page itself only draws. */
import { imageSplit } from '../../data/images.ts';
import { decodeText } from '../../data/text-lines.ts';
import { messageOf, UserError } from '../../errors.ts';
import { trainingOf } from '../../import/inspect.ts';
import { verdictText } from '../../import/inspection-text.ts';
import { vocabularyOf } from '../../import/vocabulary.ts';
import { expectSimd } from '../support.ts';
import { availableBackends, BACKENDS } from '../train/backend.ts';
import { Desk, reply, send } from '../train/desk.ts';
import { cardOf, type OwnFile, openFile } from './file.ts';
import { inPageWords, statisticsOf } from './labels.ts';
import type { Choices, OwnRequest, PickedFile, Reply } from './messages.ts';
import {
  aboutPictures,
  decodePictures,
  isPicture,
  listPictures,
  type PictureFolder,
  partsOfPictures,
} from './pictures.ts';
import { type PlannedModel, planModel } from './plan.ts';
import { aboutTexts, readTexts, type TextFile } from './texts.ts';
import { type Examples, type OwnTraining, openOwnTraining } from './training.ts';

const desk = new Desk<OwnRequest, OwnTraining>(inPageWords);
let model: OwnFile | undefined;
let data: { readonly of: PictureFolder | TextFile; readonly classes: number } | undefined;

async function answer(request: OwnRequest): Promise<void> {
  if (desk.training && (request.kind === 'model' || request.kind === 'data'))
    throw new UserError('reset the run first, then take other files');
  switch (request.kind) {
    case 'model':
      return readModelFile(request.files);
    case 'data':
      return readData(request.files);
    case 'choose':
      return tellPlan(request.choices);
    case 'begin':
      return begin(request);
    case 'tuned':
      if (desk.training) send(await desk.training.tuned());
      return;
    case 'adapters':
      if (desk.training) send(await desk.training.adapters());
  }
}

async function readModelFile(files: readonly PickedFile[]): Promise<void> {
  busy(`Reading ${files.map(({ file }) => file.name).join(', ')} …`);
  const read = files.map(async ({ path, file }) => ({
    path,
    bytes: new Uint8Array(await file.arrayBuffer()),
  }));
  model = openFile(await Promise.all(read));
  reply<Reply>({ kind: 'model', card: cardOf(model) });
}

async function readData(files: readonly PickedFile[]): Promise<void> {
  busy('Looking at the data …');
  const [first] = files;
  const isText = files.length === 1 && first && !isPicture(first);
  if (isText) {
    const { name } = first.file;
    const content = decodeText(new Uint8Array(await first.file.arrayBuffer()), name);
    const of: TextFile = { kind: 'texts', name, content };
    const card = aboutTexts(of);
    data = { of, classes: card.classes.length };
    reply<Reply>({ kind: 'data', card });
  } else {
    const of = listPictures(files);
    data = { of, classes: of.classes.length };
    reply<Reply>({ kind: 'data', card: aboutPictures(of) });
  }
}

/** Tells what the choices train, or why they cannot. */
async function tellPlan(choices: Choices): Promise<void> {
  try {
    const { model: planned } = await plan(choices);
    reply<Reply>({
      kind: 'planned',
      text: verdictText({ training: trainingOf(planned), problem: undefined }).replace(
        'can be trained: ',
        'It trains ',
      ),
      isError: false,
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reply<Reply>({ kind: 'planned', text: inPageWords(messageOf(error)), isError: true });
  }
}

function plan(choices: Choices): Promise<PlannedModel> {
  if (!model) throw new UserError('choose an ONNX file first');
  if (!data) throw new UserError('choose the data: a folder of pictures, or a text file');
  return planModel(model, choices, data.classes);
}

async function begin({ choices, settings, backend }: Extract<OwnRequest, { kind: 'begin' }>): Promise<void> {
  busy('Preparing …');
  const planned = await plan(choices);
  const name = (model?.name ?? '').replace(/\.onnx$/i, '');
  const examples = await examplesFor(planned, choices);
  await desk.open(await openOwnTraining(settings, name, planned, examples, BACKENDS[backend], busy));
  desk.go();
}

/** The data as examples of the model. Throws UserError where they are of another kind. */
async function examplesFor(
  { data: fields, model: planned }: PlannedModel,
  choices: Choices,
): Promise<Examples> {
  if (!data) throw new Error('internal: a plan without data');
  const { of } = data;
  const [channels, height, width] = fields.images?.shape ?? [];
  if (of.kind === 'pictures') {
    if (!height || !width || (channels !== 1 && channels !== 3)) {
      throw new UserError(
        `the file takes ${fields.images ? `pictures of ${channels} channels` : 'texts'}, expected one that takes pictures, grey or of three colours`,
      );
    }
    return pictureExamples(of, { channels, height, width }, choices);
  }
  const length = fields.tokens?.shape[0];
  if (length === undefined)
    throw new UserError(`the file takes pictures, and ${of.name} is a text: choose a folder of pictures`);
  const vocabulary = vocabularyOf(planned.source);
  const { train, test } = readTexts(of, { ...choices, vocabulary, length });
  return { train, held: test, things: 'texts' };
}

async function pictureExamples(
  folder: PictureFolder,
  shape: { readonly channels: 1 | 3; readonly height: number; readonly width: number },
  { heldOut, normalization }: Choices,
): Promise<Examples> {
  const statistics = statisticsOf(normalization, shape.channels);
  const info = { ...shape, ...statistics, name: 'image-folder', classes: folder.classes } as const;
  const [train, held] = partsOfPictures(folder, heldOut);
  const all = train.length + held.length;
  const decode = async (files: typeof train, before: number) => {
    const split = await decodePictures(files, shape, (done) => {
      if (done % 10 === 0) busy(`Reading picture ${before + done + 1} of ${all} …`);
    });
    return imageSplit(split, info, []);
  };
  return { train: await decode(train, 0), held: await decode(held, train.length), things: 'pictures' };
}

function busy(text: string): void {
  reply({ kind: 'busy', text });
}

try {
  expectSimd();
  reply<Reply>({ kind: 'ready', backends: await availableBackends() });
  await desk.work(answer);
} catch (error) {
  reply({ kind: 'failed', message: messageOf(error) });
}
