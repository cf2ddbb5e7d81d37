import { OrderctlError } from "../../core/errors.ts";

/** As long as a subject has room for beside a stream, a kind and a service. */
export const longestToken = 200;

/**
 * A key as one token of a subject: percent-encoded (RFC 3986), with `.`, `*` and what else has a meaning in subjects or
 * beyond ASCII. Letters, digits, `-`, `_`, `~`, `!`, `'`, `(` and `)` stand for themselves, so that most keys are their
 * own token. Throws `bad_message` for a key that is empty, too long or no text.
 */
export function tokenOfKey(key: string): string {
  const token = tokenOfText(key);
  if (token !== undefined) return token;
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  throw new OrderctlError("bad_message", `${JSON.stringify(shown)} is no key`, {
    hint: `a key is a text of 1 to ${longestToken} characters, fewer where they have to be escaped`,
    source: "message",
  });
}

/** As `tokenOfKey`; undefined for what is no key. */
export function tokenOfText(text: string): string | undefined {
  const token = encode(text);
  return token !== undefined && token.length > 0 && token.length <= longestToken ? token : undefined;
}

/** The key that a token stands for; undefined for a text that is the token of no key: each key has one token. */
export function keyOfToken(token: string): string | undefined {
  if (token.length === 0 || token.length > longestToken) return undefined;
  if (plain.test(token)) return token;
  try {
    const key = decodeURIComponent(token);
    return encode(key) === token ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Hot path: nearly every key. */
const plain = /^[A-Za-z0-9_-]+$/;

function encode(key: string): string | undefined {
  if (plain.test(key)) return key;
  try {
    return encodeURIComponent(key).replaceAll(".", "%2E").replaceAll("*", "%2A");
  } catch {
    // Half of a surrogate pair is no text.
    return undefined;
  }
}
