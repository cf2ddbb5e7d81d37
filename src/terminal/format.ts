import type { Noun } from "../core/noun.ts";

/** `950 µs`, `12.3 ms`, `3.2 s`, `4m10s`, `2h05m`, `3d04h`; `-` for unknown. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return "-";
  if (ms === 0) return "0 s";
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`;
  if (ms < 999.5) return `${ms < 99.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return coarse(Math.round(seconds));
}

function coarse(seconds: number): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
  return hours > 0 ? `${hours}h${two(minutes % 60)}m` : `${minutes}m${two(seconds % 60)}s`;
}

/** `12,345`; `-` for unknown. Without `Intl`, whose first use costs 12 ms. */
export const formatCount = (value: number | null): string =>
  value === null ? "-" : String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ",");

/** A rate per second: `0`, `3.4/s`, `1,250/s`; `-` for unknown. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null) return "-";
  return `${perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(perSecond)}/s`;
}

const byteUnits = ["B", "kB", "MB", "GB", "TB"];

/** `950 B`, `1.2 GB`, `26 MB`, in powers of 1000; `-` for unknown. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return "-";
  let value = bytes;
  let power = 0;
  while (value >= 999.5 && power < byteUnits.length - 1) {
    value /= 1000;
    power += 1;
  }
  return `${power > 0 && value < 9.95 ? value.toFixed(1) : formatCount(value)} ${byteUnits[power]}`;
}

/** How fast something grows, in the time in which that is at least 1 MB: `+26 MB/s`, `+18 MB/h`, `+1.2 MB/day`. */
export function formatGrowth(bytesPerS: number): string {
  const [seconds, unit] =
    growthUnits.find(([length]) => bytesPerS * length >= 1e6) ?? ([86_400, "day"] as const);
  return `+${formatBytes(bytesPerS * seconds)}/${unit}`;
}

const growthUnits = [
  [1, "s"],
  [3600, "h"],
  [86_400, "day"],
] as const;

/** `1 order`, `2,000 orders`. */
export const counted = (count: number, { one, many }: Noun): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;
