import type { Html } from '../html.ts';

/** A part of a study's page, and of its table of contents. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
  /** The titles of the section's parts. */
  readonly parts?: readonly string[];
}
