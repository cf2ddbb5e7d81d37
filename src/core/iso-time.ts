/** RFC 3339 of a Unix time in µs, with µs, as `Date` cannot. */
export function isoTime(us: number): string {
  const micros = String(us % 1_000_000).padStart(6, "0");
  return `${new Date(Math.floor(us / 1000)).toISOString().slice(0, -4)}${micros}Z`;
}
