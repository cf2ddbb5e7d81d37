/** A row of a file that is not stored: its line (from 1), the reason in plain words, and its first characters. */
export type Reject = { row: number; reason: string; text: string };

/** A line or record longer than this is refused instead of being held in memory. */
export const maxRowBytes = 1024 * 1024;

const shownCharacters = 120;

/** As much of a row as a reject keeps. */
export const beginningOf = (text: string): string =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
