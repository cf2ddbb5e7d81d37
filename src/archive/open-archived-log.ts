import type { ArchivedLog } from "../flow/archived-log.ts";
import type { FlowShape } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";

/** The archive of a flow's log. Reads nothing, and loads no code for reading it, before it is asked. */
export function openArchivedLog(
  connection: Connection,
  flow: FlowShape,
  env: NodeJS.ProcessEnv = process.env,
): ArchivedLog {
  let opening: Promise<ArchivedLog> | undefined;
  const open = () => {
    opening ??= import("./segmented-log.ts").then(
      ({ SegmentedLog }) => new SegmentedLog(connection, flow, env),
    );
    return opening;
  };
  return {
    movedTo: async () => (await open()).movedTo(),
    readKey: async (key) => (await open()).readKey(key),
    readBySequence: async (sequence) => (await open()).readBySequence(sequence),
    sequenceAt: async (timeUs) => (await open()).sequenceAt(timeUs),
    async *read(range) {
      yield* (await open()).read(range);
    },
    hasKeys: async (keys, to) => (await open()).hasKeys(keys, to),
    async *readKeys(keys, to) {
      yield* (await open()).readKeys(keys, to);
    },
    auditState: async (which) => (await open()).auditState(which),
    verify: async (signal) => (await open()).verify(signal),
  };
}
