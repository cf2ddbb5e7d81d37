const isoPattern = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:\d{2})?)?$/;
const usPattern = /^(\d{1,2})\/(\d{1,2})\/(\d{2}|\d{4})(?: (\d{1,2}:\d{2}(?::\d{2})?))?$/;

/**
 * Unix time in µs of an ISO 8601 date or of one written month/day/year, as retail exports have it (`12/1/10 8:26` is in
 * 2010); without a zone it is UTC. `null` for anything else: a date nobody can read does not make an order wrong.
 */
export function parseDateUs(text: string): number | null {
  const ms = Date.parse(toIso(text) ?? "");
  return Number.isNaN(ms) || ms < 0 ? null : ms * 1000;
}

function toIso(text: string): string | undefined {
  const iso = isoPattern.exec(text);
  if (iso) return `${iso[1]}T${iso[2] ?? "00:00"}${iso[3] ?? "Z"}`;
  const us = usPattern.exec(text);
  if (!us) return undefined;
  const [, month = "", day = "", year = "", time = "0:00"] = us;
  const padded = [year.padStart(4, "20"), month.padStart(2, "0"), day.padStart(2, "0")].join("-");
  return isRealDay(padded) ? `${padded}T${time.padStart(time.length < 6 ? 5 : 8, "0")}Z` : undefined;
}

/** `Date.parse` takes February 30th for March 2nd. */
const isRealDay = (day: string): boolean => {
  const ms = Date.parse(`${day}T00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
};
