/**
 * The text that lines of the client protocol may contain
 * (https://docs.nats.io/reference/reference-protocols/nats-protocol): a blank or a line break in a subject or a header
 * ends it, and the broker reads what follows as the next argument or the next command.
 */

/**
 * Matches an empty token, a wildcard for one or for all that follow, blanks, control characters, and characters that
 * are not a single byte.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression looks for control characters
const noSubject = /^$|^\.|\.$|\.\.|(?:^|\.)[*>](?:\.|$)|[\x00-\x20\x7f]|[^\x00-\xff]/;

/**
 * True when a message can be published under the subject. Each character is one byte, as in subjects that a broker
 * delivers. Hot path: ~0.07 µs.
 */
export const isPublishable = (subject: string): boolean => !noSubject.test(subject);

const noHeaderName = /^$|[:\r\n]/;

/**
 * True when neither the name nor the value ends its line: the broker would read the rest as another header, or as the
 * payload.
 */
export const isHeader = (name: string, value: string): boolean =>
  !noHeaderName.test(name) && !value.includes("\n") && !value.includes("\r");
