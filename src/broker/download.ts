import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

type Download = {
  url: string;
  sha256: string;
  /** Where to write the body. After a failure it may hold a part of it: whoever made the folder removes it. */
  to: string;
  signal?: AbortSignal | undefined;
  /** Gives up when nothing arrived for so long. */
  stallMs: number;
};

/** An archive has 7 MB. */
const maxBytes = 64 * 1024 * 1024;
/** For one that sends a byte now and then. */
const totalMs = 600_000;
const maxRedirects = 5;

/**
 * Downloads a file and checks its SHA-256 on the way. Rejects on any other content, also one that is cut short or has no
 * end, and where the answer leads to another host or away from https.
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

/** GitHub keeps the files of its releases on hosts of this domain. */
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

/** fetch says no more than "fetch failed" and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
