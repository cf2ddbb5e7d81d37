import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";

export type HostRules = {
  /** Where the server listens. */
  host: string;
  /** Further names under which it is called: of a proxy, of a service. */
  allowedHosts?: readonly string[] | undefined;
};

/** Why a request is not answered; `code` is for programs. */
export type HostRefusal = { status: 400 | 403 | 421; code: string; detail: string };

/** `localhost`, 127.0.0.0/8 or ::1, with brackets or without. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);

/**
 * Tells requests that are meant for this server from those that a web page has a browser make: under a name of the
 * page's own that it lets point here (DNS rebinding), or as a write across sites. Loopback, the host that the server
 * listens on and `allowedHosts` are its names. A server that listens beyond loopback is also known by this machine's name
 * and by any IP address, which no page can have as its own without being there.
 */
export function createHostCheck({
  host,
  allowedHosts = [],
}: HostRules): (request: IncomingMessage) => HostRefusal | undefined {
  const isOpen = !isLoopback(host);
  const names = new Set([host, ...allowedHosts, ...(isOpen ? [hostname()] : [])].map(bare));
  const isKnown = (authority: string): boolean => {
    const name = bare(authority.replace(/:\d*$/, ""));
    return name !== "" && (isLoopback(name) || names.has(name) || (isOpen && isIP(name) !== 0));
  };
  const isOwn = (origin: string): boolean => URL.canParse(origin) && isKnown(new URL(origin).host);
  return (request) => {
    const called = authoritiesOf(request);
    if ((request.headersDistinct.host ?? []).length > 1) return severalHosts;
    const strange = called.find((each) => !isKnown(each));
    if (strange !== undefined) return unknownHost(strange);
    const origin = writerOf(request);
    return origin === undefined || isOwn(origin) ? undefined : foreignOrigin(origin);
  };
}

/** `GET http://host/path` names the server once more. HTTP/1.0 need not name it at all, but no browser speaks that. */
function authoritiesOf({ headers, url = "" }: IncomingMessage): string[] {
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
  return [headers.host, target].filter((each) => each !== undefined);
}

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** The site of the page that writes, where a browser sends the request for one. */
const writerOf = ({ headers, method = "" }: IncomingMessage): string | undefined =>
  safeMethods.has(method) ? undefined : headers.origin;

const bare = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");

const severalHosts: HostRefusal = { status: 400, code: "bad_request", detail: "more than one Host" };

const maxShown = 100;

const unknownHost = (host: string): HostRefusal => ({
  status: 421,
  code: "unknown_host",
  detail: `this server is not known as ${JSON.stringify(host.slice(0, maxShown))}; --allow-host <name> lets it be called so`,
});

const foreignOrigin = (origin: string): HostRefusal => ({
  status: 403,
  code: "foreign_origin",
  detail: `a page of ${JSON.stringify(origin.slice(0, maxShown))} may not write here; --allow-host <name> lets the pages of that host`,
});
