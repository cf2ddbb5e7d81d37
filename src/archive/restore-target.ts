import type { Online } from "../cli/command-action.ts";
import { openDestination } from "../cli/destination.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { OrderctlError } from "../core/errors.ts";
import { askProcesses } from "../flow/process-status.ts";
import { readLag } from "../jetstream/streams/lag.ts";
import { readReplayStream } from "../jetstream/streams/replay-streams.ts";
import { SegmentedLog } from "./segmented-log.ts";

/** `isLog`: it is the flow's own stream, at which services may work. */
export type RestoreTarget = { stream: string; prefix: string; isLog: boolean };

/**
 * The stream into which messages are restored: the flow's own one, or one of another name, which is made where there is
 * none. Rejects with `conflict` where the flow's own stream has an archive, and with `usage` where several streams
 * would store the messages.
 */
export async function openRestoreTarget(online: Online, to: string): Promise<RestoreTarget> {
  const { connection, flow } = online;
  const source = await readReplayStream(connection, flow.stream).catch((thrown) => {
    throw withoutServices(explainMissingLog(thrown, online));
  });
  if (to === flow.stream) {
    await mustHaveNoArchive(online);
    return { stream: to, prefix: to, isLog: true };
  }
  const { prefix, streams } = await openDestination(connection, source, { to, create: true, dryRun: false });
  const [stream, ...others] = streams;
  if (stream !== undefined && others.length === 0) return { stream, prefix, isLog: false };
  throw new OrderctlError("usage", `several streams store what is under ${prefix}: ${streams.join(", ")}`, {
    hint: "choose a name under which none does: a stream is made for it",
  });
}

/** A service may not be what creates the stream: it would work there. */
const withoutServices = (error: OrderctlError): OrderctlError =>
  error.code === "not_found"
    ? new OrderctlError(error.code, error.message, {
        hint: "`orderctl topology apply` creates it; --server or --context names another broker",
        cause: error,
      })
    : error;

/** What the manifest names would be archived twice, under other sequences. */
async function mustHaveNoArchive({ connection, flow, env }: Online): Promise<void> {
  const { manifest } = new SegmentedLog(connection, flow, env);
  const bucket = `KV_${flow.stream}_ARCHIVE`;
  const hint = `where the stream is a new one and its archive was restored or is lost: \`nats stream rm ${bucket}\`, then \`orderctl topology apply\``;
  try {
    await manifest.refresh();
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (error.code !== "conflict") throw error;
    throw new OrderctlError("conflict", error.message, { hint, cause: error, source: error.source });
  }
  if (manifest.segments.length === 0) return;
  const text = `${flow.stream} has an archive, up to message ${manifest.movedTo}: what is archived of it needs no restoring`;
  throw new OrderctlError("conflict", text, { hint: `--to names another stream, into which a copy goes` });
}

/**
 * Rejects with `conflict` while anybody works on the flow's log: an event would come to a service before what had
 * followed from it is there.
 */
export async function mustBeQuiet({ connection, flow, signal }: Online): Promise<void> {
  const { processes, unreadable } = await askProcesses(connection, { signal });
  const [first] = processes;
  if (first || unreadable > 0) {
    const who = first ? `${first.instance} runs ${first.services.join(", ")}` : "a process answers";
    throw new OrderctlError("conflict", `services may be working: ${who}`, { hint: stopThem });
  }
  const { consumers } = await readLag(connection, {
    stream: flow.stream,
    intervalMs: 0,
    durableOnly: true,
    signal,
  });
  const busy = consumers.find(({ waiting, bound }) => (waiting ?? 0) > 0 || bound === true);
  if (busy)
    throw new OrderctlError("conflict", `somebody takes messages of consumer ${busy.consumer}`, {
      hint: stopThem,
    });
}

const stopThem = "stop every service until the log is restored";
