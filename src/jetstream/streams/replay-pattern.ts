/** A subject or a filter, as NATS has them: `*` stands for one token, a last `>` for one or more. */
type Pattern = string;

/** Does everything that `narrow` matches also match `wide`? */
export const covers = (wide: Pattern, narrow: Pattern): boolean =>
  compare(wide.split("."), narrow.split("."), (broad, token) => broad === "*" && token !== ">");

/** Is there a subject that both match? */
export function overlap(one: Pattern, other: Pattern): boolean {
  const [a, b] = [one.split("."), other.split(".")];
  const either = (x: string, y: string) => x === "*" || y === "*";
  return compare(a, b, either) || compare(b, a, either);
}

/** Token by token, up to where `wide` ends in `>`. */
function compare(
  wide: readonly string[],
  narrow: readonly string[],
  isLike: (wide: string, narrow: string) => boolean,
): boolean {
  for (const [index, broad] of wide.entries()) {
    const token = narrow[index];
    if (token === undefined) return false;
    if (broad === ">") return true;
    if (broad !== token && !isLike(broad, token)) return false;
  }
  return wide.length === narrow.length;
}

/** A filter that a broker takes: no empty token, no blank, `>` at the end only. */
export const isFilter = (text: string): boolean =>
  /^[^\s.]+(\.[^\s.]+)*$/.test(text) && !/>.|[^.]>/.test(text);

/** The start of a subject that names no more than that: no wildcard in it, and nothing of the broker's own. */
export const isPrefix = (text: string): boolean =>
  isFilter(text) && !/[*>]/.test(text) && !/^(\$|_INBOX(_|\.|$))/.test(text);
