/**
 * Colours by role. The hues are Okabe & Ito's, which all colour vision tells apart: darker on white, lighter on black.
 */

export interface Palette {
  readonly text: string;
  readonly soft: string;
  readonly page: string;
  readonly card: string;
  readonly rule: string;
  readonly blue: string;
  readonly orange: string;
  readonly green: string;
  readonly purple: string;
  readonly wrong: string;
}

export const LIGHT: Palette = {
  text: '#1c2126',
  soft: '#5b6570',
  page: '#f6f7f8',
  card: '#fff',
  rule: '#dfe3e7',
  blue: '#0072b2',
  orange: '#d55e00',
  green: '#00835f',
  purple: '#b0568c',
  wrong: '#d55e00',
};

export const DARK: Palette = {
  text: '#e4e8ec',
  soft: '#9aa5b1',
  page: '#14171a',
  card: '#1c2024',
  rule: '#333a41',
  blue: '#56b4e9',
  orange: '#e69f00',
  green: '#1fb58b',
  purple: '#cc79a7',
  wrong: '#e69f00',
};

/** The palette for paper: the hues of LIGHT, on white. */
export const PRINT: Palette = {
  ...LIGHT,
  text: '#000',
  soft: '#444',
  page: '#fff',
  rule: '#bbb',
};

/** As CSS variables: `--text: #000; …`. */
export function variables(palette: Palette): string {
  return Object.entries(palette)
    .map(([role, color]) => `--${role}: ${color};`)
    .join(' ');
}

/** The text with each `var(--role)` replaced by the palette's colour, for a picture outside a page. */
export function resolved(text: string, palette: Palette): string {
  return Object.entries(palette)
    .reduce((done, [role, color]) => done.replaceAll(`var(--${role})`, color), text)
    .replaceAll('currentColor', palette.text);
}
