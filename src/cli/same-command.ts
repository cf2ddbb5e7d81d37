import { flagSpecs, typed } from "./connection-flags.ts";

const secret = flagSpecs.filter(({ isSecret }) => isSecret).map(({ flag }) => typed(flag));
const isSecretFlag = new RegExp(`^(${secret.join("|")})`);
/** Flags of whose value something is left out, in the form that takes two words. */
const paired: ReadonlySet<string> = new Set(["-s", "--server", ...secret]);

/**
 * The command line as it was typed, with `added` at its end, to be shown and typed again. Secrets are left out:
 * passwords, tokens and the user info in an address.
 */
export function sameCommand(argv: readonly string[], added: readonly string[] = []): string {
  const words = ["orderctl"];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    if (paired.has(word)) index += 1;
    const whole = withoutUser(paired.has(word) ? [word, argv[index] ?? ""] : [word]);
    if (!isSecret(whole)) words.push(...whole);
  }
  return [...words, ...added].map(quoted).join(" ");
}

const withoutUser = (words: readonly string[]): readonly string[] =>
  /^(-s|--server)/.test(words[0] ?? "") ? words.map((word) => addressWithoutUser(word) ?? word) : words;

/** `nats://ann:secret@host` → `nats://host`, in a list as well; undefined if user info may be left in it. */
export function addressWithoutUser(text: string): string | undefined {
  const address = text.replace(/(^--server=|^-s|^|,)([a-z]+:\/\/)?[^,/]*@/gi, "$1$2");
  return address.includes("@") ? undefined : address;
}

function isSecret([flag = "", value = flag]: readonly string[]): boolean {
  return isSecretFlag.test(flag) || (/^(-s|--server)/.test(flag) && value.includes("@"));
}

/** Quotes a word, where needed, so that a shell reads it as one word. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
