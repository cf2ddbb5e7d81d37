const timeUnits: Record<string, number> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `250ms`, `1.5s`, `2m`, `1h` → ms; a bare number is seconds; undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d)?$/.exec(text.trim());
  const unit = timeUnits[match?.[2] ?? "s"];
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}

const byteUnits: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `500MB`, `1GiB`, `1.5 GiB` → bytes; a bare number is bytes; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kKMGT]?i?B)?$/.exec(text.trim());
  const unit = byteUnits[match?.[2] ?? "B"];
  const bytes = match && unit !== undefined ? Math.round(Number(match[1]) * unit) : undefined;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A Unix time in µs as RFC 3339 text with six fractional digits; `Date` has three. */
export function isoTime(us: number): string {
  const micros = String(us % 1_000_000).padStart(6, "0");
  return `${new Date(Math.floor(us / 1000)).toISOString().slice(0, -4)}${micros}Z`;
}
