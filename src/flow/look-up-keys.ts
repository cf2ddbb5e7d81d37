import { type ArchivedFirst, type ArchivedKeys, isPruned } from "./archived-log.ts";
import { type FlowLog, findFault } from "./flow.ts";

/**
 * Looks up each key in the archive, and reads nothing before it is asked: for a few keys that takes less than to read
 * those of the whole archive.
 */
export const lookUpKeys = (log: Pick<FlowLog, "flow" | "archive">): ArchivedKeys => ({
  isCertain: () => true,
  isRead: () => true,
  findFirst: (key) => findFirst(log, key),
  problems: () => [],
  stop: () => {},
});

async function findFirst(
  { flow, archive }: Pick<FlowLog, "flow" | "archive">,
  key: string,
): Promise<ArchivedFirst | undefined> {
  const subject = flow.subjectOf(flow.firstKind, key);
  try {
    return (await archive.readKey(key)).find(
      (message) => message.subject === subject && findFault(flow, message) === undefined,
    );
  } catch (thrown) {
    if (isPruned(thrown)) return { sequence: 0, payload: undefined };
    throw thrown;
  }
}
