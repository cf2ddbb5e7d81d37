import { OrderctlError } from "../../core/errors.ts";

/** The address of a backend: a URL without user info and without a slash at its end, safe to show. */
export type BackendEndpoint = { url: string; authorization: string | undefined };

/**
 * Reads `http://host:port`, with or without a path prefix; `http` if there is no scheme. User info becomes basic
 * authentication. Throws `usage` for an invalid address, without showing what stood before an `@`.
 */
export function parseBackendEndpoint(text: string): BackendEndpoint {
  const trimmed = text.trim();
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw badEndpoint(trimmed);
  const { username, password, origin, pathname } = url;
  const authorization = username || password ? basic(username, password) : undefined;
  return { url: `${origin}${pathname.replace(/\/+$/, "")}`, authorization };
}

/** https://www.rfc-editor.org/rfc/rfc7617 */
const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${decode(username)}:${decode(password)}`).toString("base64")}`;

/** Decodes percent escapes; a text with an invalid escape stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const badEndpoint = (text: string): OrderctlError =>
  new OrderctlError(
    "usage",
    `${JSON.stringify(text.slice(text.lastIndexOf("@") + 1))} is not the address of a tracing backend`,
    { hint: "an address looks like http://127.0.0.1:16686 (Jaeger) or http://127.0.0.1:3200 (Tempo)" },
  );
