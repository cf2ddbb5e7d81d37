import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

type Download = {
  url: string;
  sha256: string;
  /** File to write the body to. After a failure it may hold a part of the body; the caller removes it. */
  to: string;
  signal?: AbortSignal | undefined;
  /** Gives up when no byte has arrived for this long. */
  stallMs: number;
};

/** Well above the 7 MB of a release archive. */
const maxBytes = 64 * 1024 * 1024;
/** Limit for the whole download, for a server that sends only a byte now and then. */
const totalMs = 600_000;
const maxRedirects = 5;

/**
 * Downloads a file and checks its SHA-256 while it arrives. Rejects if the content differs, is cut short or exceeds 64
 * MiB, and if the server redirects to another host (GitHub's own file hosts are allowed) or away from https.
 */
export async function downloadVerified({ url, sha256, to, signal, stallMs }: Download): Promise<void> {
  const stall = new AbortController();
  const giveUp = () => stall.abort(new Error(`${url}: nothing arrived for ${stallMs} ms`));
  const timer = setTimeout(giveUp, stallMs);
  const late = setTimeout(
    () => stall.abort(new Error(`${url}: has not ended after ${totalMs / 60_000} min`)),
    totalMs,
  );
  const shown = withoutUser(url);
  const hash = createHash("sha256");
  try {
    const either = AbortSignal.any(signal === undefined ? [stall.signal] : [stall.signal, signal]);
    const body = await openBody(url, either);
    let bytes = 0;
    await pipeline(
      async function* () {
        for await (const chunk of body) {
          timer.refresh();
          bytes += chunk.length;
          if (bytes > maxBytes) throw tooLong();
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(to, { flags: "wx", mode: 0o600 }),
      { signal: either },
    );
  } catch (error) {
    signal?.throwIfAborted();
    stall.signal.throwIfAborted();
    throw new Error(`${shown}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    clearTimeout(late);
  }
  const actual = hash.digest("hex");
  if (actual !== sha256) throw new Error(`${url}: its SHA-256 is ${actual}, not the pinned ${sha256}`);
}

const withoutUser = (url: string): string => url.replace(/^([a-z]+:\/\/)[^/]*@/i, "$1");

const tooLong = () => new Error(`has more than ${maxBytes / 1024 / 1024} MiB`);

async function openBody(url: string, signal: AbortSignal) {
  let from = checkedUrl(url);
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const response = await fetch(from, { signal, redirect: "manual" });
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      from = checkedRedirect(from, location);
      continue;
    }
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    if (Number(response.headers.get("content-length")) > maxBytes) throw tooLong();
    return response.body;
  }
  throw new Error(`redirects more than ${maxRedirects} times`);
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "") return url;
  throw new Error("is no http or https address without user and password");
}

/** GitHub serves the files of its releases from hosts of this domain. */
const githubFiles = ".githubusercontent.com";

function checkedRedirect(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? checkedUrl(new URL(location, from).href) : undefined;
  if (to === undefined) throw new Error("redirects to what is no address");
  if (from.protocol === "https:" && to.protocol !== "https:")
    throw new Error(`redirects to ${to.origin}, without TLS`);
  const isGithub = from.host === "github.com" && to.host.endsWith(githubFiles);
  if (to.host === from.host || isGithub) return to;
  throw new Error(`redirects to another host, ${to.host}`);
}

/** `fetch` only says "fetch failed"; the reason is in its `cause`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
