import type { Finding } from "../flow/define/finding.ts";

/** A finding in one line, without its sign. */
export const findingText = ({ what, where, why }: Finding): string =>
  `${what}${where === null ? "" : `, ${where}`}: ${why}`;
