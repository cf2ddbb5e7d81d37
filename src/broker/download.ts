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

/** Downloads a file and checks its SHA-256 on the way. Rejects on any other content, also a truncated one. */
export async function downloadVerified({ url, sha256, to, signal, stallMs }: Download): Promise<void> {
  const stall = new AbortController();
  const giveUp = () => stall.abort(new Error(`${url}: nothing arrived for ${stallMs} ms`));
  const timer = setTimeout(giveUp, stallMs);
  const hash = createHash("sha256");
  try {
    const either = AbortSignal.any(signal === undefined ? [stall.signal] : [stall.signal, signal]);
    const response = await fetch(url, { signal: either });
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    const body = response.body;
    await pipeline(
      async function* () {
        for await (const chunk of body) {
          timer.refresh();
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(to),
      { signal: either },
    );
  } catch (error) {
    signal?.throwIfAborted();
    stall.signal.throwIfAborted();
    throw new Error(`${url}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  const actual = hash.digest("hex");
  if (actual !== sha256) throw new Error(`${url}: its SHA-256 is ${actual}, not the pinned ${sha256}`);
}

/** fetch says no more than "fetch failed" and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
