const units: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `250ms`, `1.5s`, `2m`, `1h` → ms; a bare number is seconds; undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d)?$/.exec(text.trim());
  const unit = units[match?.[2] ?? "s"];
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}
