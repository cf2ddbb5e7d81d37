import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { type ArchivedKeys, repeatOfArchived } from "./archived-log.ts";
import type { HandlerContext } from "./handler.ts";

/** The delivery of a first event. */
type First = Pick<HandlerContext, "sequence" | "signal" | "watchHold">;

const pollMs = 100;

/**
 * Keeps an archived key from beginning again: rejects with `repeat` for a first event of which the archive holds an
 * earlier one, and waits while the archived keys are not certain. Undefined, at once, for nearly every event that may be
 * worked on.
 *
 * It is enough that the keys are certain at the moment of the look-up, however long the work takes that follows. A
 * repeat can be stored only after the first one was purged from the stream, and what is purged has been in the manifest
 * for 10 s. Keys are looked up in what the manifest held at most 5 s ago. So whatever was purged until this moment, and
 * more so until this delivery was stored, is among it. A redriven delivery has the sequence of its event, so that it is
 * no repeat of itself.
 */
export function refuseRepeat(keys: ArchivedKeys, key: string, first: First): Promise<void> | undefined {
  if (!keys.isCertain()) return onceCertain(keys, key, first);
  const earlier = keys.findFirst(key);
  return earlier && refuseAfter(earlier, first);
}

async function onceCertain(keys: ArchivedKeys, key: string, first: First): Promise<void> {
  const { signal } = first;
  const endHold = first.watchHold("archive");
  try {
    while (!keys.isCertain()) {
      await wait(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  } finally {
    endHold();
  }
  await refuseRepeat(keys, key, first);
}

async function refuseAfter(looking: Promise<number | undefined>, { sequence }: First): Promise<void> {
  const earlier = await looking;
  if (earlier === undefined || earlier >= sequence) return;
  throw new OrderctlError("repeat", `${repeatOfArchived}, which began as message ${earlier}`, {
    source: "message",
  });
}
