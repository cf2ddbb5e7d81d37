import type { Connection } from "../../../src/jetstream/client/connection.ts";
import type { DeadLetterRule } from "../../../src/jetstream/consume/worker-options.ts";
import {
  type DeadLetterMark,
  deadLetterHeader,
  decodeMark,
} from "../../../src/jetstream/dead-letters/dead-letter.ts";
import type { StoredMessage } from "../../../src/jetstream/streams/read-message.ts";
import { scanStream } from "../../../src/jetstream/streams/read-stream.ts";
import { createLog } from "../streams/subject-log.ts";

export type Kept = { mark: DeadLetterMark; message: StoredMessage };

/**
 * A stream for dead letters, `<name>DEAD`, and the bucket for suspects; `rule` sends there what a worker gives up on.
 */
export async function createDeadLetters(connection: Connection, name: string, maxAttempts = 3) {
  const stream = `${name}DEAD`;
  const suspects = `${name}SUSPECTS`;
  await createLog(connection, stream, { max_msgs_per_subject: -1, discard_new_per_subject: false });
  const bucket = { subjects: [`$KV.${suspects}.>`], discard_new_per_subject: false };
  await createLog(connection, `KV_${suspects}`, bucket);
  const rule: DeadLetterRule = {
    stream,
    suspects,
    maxAttempts,
    service: "tester",
    instance: "box-1",
    consumer: "worker",
    subjectFor: (subject) => `${stream}.${subject.replace(".", "-")}`,
  };
  return {
    rule,
    async kept(): Promise<Kept[]> {
      const found: Kept[] = [];
      await scanStream(connection, { stream }, (message) => {
        const mark = decodeMark(message.header(deadLetterHeader));
        if (mark) found.push({ mark, message });
      });
      return found;
    },
  };
}
