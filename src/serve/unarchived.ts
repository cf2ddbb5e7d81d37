import { setTimeout as wait } from "node:timers/promises";
import { costText } from "../cli/archive-line.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import type { FlowLog } from "../flow/flow.ts";
import { buildLogArchive } from "../flow/log-archive.ts";
import { costOf, manyEvents } from "../flow/log-cost.ts";
import { readProcesses } from "../flow/process-status.ts";
import { readStreamSize } from "../jetstream/streams/read-message.ts";

type Pace = {
  /** Leaves an archiver that is started at the same time, time to say so. */
  afterMs?: number;
  everyMs?: number;
  /** Fewer events are nobody's concern. */
  fromEvents?: number;
};

/**
 * Notes once that nobody archives a log of many events, and again each time that it has doubled. Who may not ask the
 * other processes, as a service with the rights of a service alone, asks once and notes nothing.
 */
export function watchUnarchived(
  { connection, flow }: FlowLog,
  note: Note,
  { afterMs = 5000, everyMs = 60_000, fromEvents = manyEvents }: Pace = {},
): { stop(): void } {
  const ended = new AbortController();
  let worthTelling = fromEvents;
  const look = async () => {
    const size = await readStreamSize(connection, flow.stream);
    const cost = size && costOf({ ...size, rooms: [], atMs: performance.now() });
    if (!cost || cost.events <= worthTelling || ended.signal.aborted) return;
    const processes = await readProcesses(connection, ended.signal);
    const sampledAt = new Date().toISOString();
    const { archiver } = buildLogArchive(flow.stream, processes, { sampledAt, cost });
    if (archiver || ended.signal.aborted) return;
    worthTelling = cost.events * 2;
    note(costText(cost));
  };
  const goOn = async () => {
    await wait(afterMs, undefined, { signal: ended.signal, ref: false });
    for (;;) {
      await look().catch((thrown) => {
        if (OrderctlError.from(thrown).code === "denied") ended.abort();
      });
      await wait(everyMs, undefined, { signal: ended.signal, ref: false });
    }
  };
  void goOn().catch(() => undefined);
  return { stop: () => ended.abort() };
}
