import { OrderctlError } from "../core/errors.ts";

/** Server addresses without credentials, so that they may be shown, and the credentials that came with one of them. */
export type ServerUrls = { servers: string[]; user?: string; password?: string; token?: string };

type Credentials = Omit<ServerUrls, "servers">;

/**
 * Reads `nats://user:password@host:port` or `nats://token@host:port`, several separated by commas; credentials in one
 * address count for all. Throws `usage` for two that differ and for an invalid address, without showing what stood
 * before an `@`.
 */
export function parseServerUrls(text: string): ServerUrls {
  const urls = text
    .split(",")
    .map((url) => url.trim())
    .filter((url) => url !== "");
  if (urls.length === 0) throw badAddress("an empty text");
  const parts = urls.map(splitUrl);
  const all = parts.map((part) => part.credentials).filter((found) => found !== undefined);
  const [credentials, other] = new Map(all.map((each) => [JSON.stringify(each), each])).values();
  if (other) {
    throw new OrderctlError("usage", "the addresses of one list are for different users", {
      hint: "they are servers of one cluster: write user and password once",
    });
  }
  return { servers: parts.map(({ server }) => server), ...credentials };
}

/** Whether each of `servers` is one of `others`. An address without TLS does not match one with TLS. */
export const areAmong = (servers: readonly string[], others: readonly string[]): boolean =>
  servers.every((server) => others.some((other) => isSame(new URL(server), new URL(other))));

const isSame = (one: URL, other: URL): boolean =>
  hostOf(one) === hostOf(other) &&
  portOf(one) === portOf(other) &&
  (one.protocol === "tls:" || other.protocol !== "tls:");

export const portOf = ({ port }: URL): string => port || "4222";

/** The host in lower case, with one name for the several names of loopback. */
const hostOf = ({ hostname }: URL): string =>
  /^(localhost|127\.0\.0\.1|\[::1\])$/i.test(hostname) ? "loopback" : hostname.toLowerCase();

function splitUrl(url: string): { server: string; credentials: Credentials | undefined } {
  const [, scheme = "nats://", rest = ""] = /^([a-z]+:\/\/)?(.*)$/is.exec(url) ?? [];
  const end = rest.lastIndexOf("@");
  const server = `${scheme}${rest.slice(end + 1)}`;
  if (!URL.canParse(server) || new URL(server).hostname === "") throw badAddress(JSON.stringify(server));
  if (!/^(nats|tls):$/i.test(new URL(server).protocol)) throw badAddress(JSON.stringify(server));
  // The address would be shown together with its query, which may contain a misplaced password.
  if (/[?#]/.test(server)) throw noQuery(server.replace(/[?#].*$/s, ""));
  return { server, credentials: end < 0 ? undefined : parseCredentials(rest.slice(0, end)) };
}

function parseCredentials(text: string): Credentials {
  const colon = text.indexOf(":");
  if (colon < 0) return { token: decode(text) };
  return { user: decode(text.slice(0, colon)), password: decode(text.slice(colon + 1)) };
}

/** Decodes percent escapes. A text with an invalid escape stays as it is, since people type a bare `%`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const noQuery = (shown: string): OrderctlError =>
  new OrderctlError("usage", `${JSON.stringify(shown)} is followed by a query, which no server reads`, {
    hint: "credentials stand before the host (nats://user:password@host), or come with --user, --token, --creds …",
  });

const badAddress = (shown: string): OrderctlError =>
  new OrderctlError("usage", `${shown} is not the address of a server`, {
    hint: "an address looks like nats://127.0.0.1:4222 or tls://host",
  });
