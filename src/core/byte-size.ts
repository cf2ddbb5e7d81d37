const units: Record<string, number> = {
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
  const unit = units[match?.[2] ?? "B"];
  const bytes = match && unit !== undefined ? Math.round(Number(match[1]) * unit) : undefined;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
