/** Replaces a secret. */
const mask = "***";

/** Longer texts are cut: no line for the operator needs more, and masking takes longer the longer the text. */
const maxLength = 8192;

/** Values below this depth are left out, which also ends circular references. */
const maxDepth = 8;

/**
 * The text with its secrets masked: passwords and tokens in addresses (`nats://ann:***@host`, `nats://***@host`), query
 * parameters with a secret's name (`?password=***`), the value after `Authorization`, JSON Web Tokens and nkey seeds
 * (https://docs.nats.io/using-nats/developer/connecting/nkey). Masks rather too much than too little.
 */
export const maskText = (text: string): string =>
  cut(text)
    .replace(userInfo, (_, told: string) => `://${hidePassword(told)}@`)
    .replace(parameter, (_, before: string) => `${before}${mask}`)
    .replace(authorization, (_, before: string) => `${before}${mask}`)
    .replace(webToken, mask)
    .replace(seed, mask);

/**
 * Up to the last `@` of the word, since people type passwords with an `@` in them; the next address of a list is a
 * match of its own.
 */
const userInfo = /:\/\/((?:(?!,[a-z0-9+.-]{1,20}:\/\/)\S)*)@/gi;
/** `?access_token=…`, `&X-Amz-Signature=…`; up to the next parameter, or the end of the word. */
const parameter =
  /([?&;#][\w.%-]{0,40}?(?:passw|pwd|secret|token|cred|auth|api.?key|nkey|seed|jwt|sig)[\w.%-]{0,40}=)[^&;#\s"'`]+/gi;
/** As HTTP headers and `OTEL_EXPORTER_OTLP_HEADERS` write it. */
const authorization =
  /(\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?)(?:(?:basic|bearer)(?:\s|%20){1,4})?[^\s,"']+/gi;
const webToken = /eyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const seed = /S[UAONCX][A-Z2-7]{56}/g;

function hidePassword(told: string): string {
  const [name = "", ...password] = told.split(":");
  return password.join("") === "" ? mask : `${name}:${mask}`;
}

/** Cuts at the end of a word: half a secret might not be recognized and masked. */
function cut(text: string): string {
  if (text.length <= maxLength) return text;
  const end = text.slice(0, maxLength).search(/\s\S*$/);
  return `${text.slice(0, Math.max(0, end))} …`;
}

const secretName = /passw|secret|token|creds|credential|nkey|seed|authorization|cookie|jwt/i;

/** A JSON-safe copy with secrets masked at any depth: in texts, and the whole value of a field with a secret's name. */
export function maskFields(fields: object, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      maskText(name),
      secretName.test(name) && value != null ? mask : maskValue(value, depth),
    ]),
  );
}

function maskValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return maskText(value);
  if (typeof value === "number" || typeof value === "boolean" || value == null) return value;
  if (depth >= maxDepth) return "…";
  if (Array.isArray(value)) return value.map((each) => maskValue(each, depth + 1));
  const isRecord =
    typeof value === "object" && !(value instanceof Error || value instanceof Date || value instanceof URL);
  return isRecord ? maskFields(value, depth + 1) : maskText(String(value));
}
