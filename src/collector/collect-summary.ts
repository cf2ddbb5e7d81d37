import { formatCount } from "../terminal/format.ts";
import type { Collected } from "./command.ts";

/** What a collector stored, and what it did not. */
export function collectSummary({ spans, rejected, refused, traces }: Collected): string {
  const holds = traces === null ? "" : `; TRACES holds ${counted(traces, "trace")}`;
  const not = [
    rejected > 0 ? `${counted(rejected, "span")} rejected` : "",
    refused > 0 ? `${counted(refused, "request")} refused` : "",
  ].filter(Boolean);
  return `stored ${[counted(spans, "span"), ...not].join(", ")}${holds}`;
}

const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
