import type { Connection } from "../../jetstream/client/connection.ts";
import { readNext } from "../../jetstream/streams/read-message.ts";
import type { EventKind } from "../events.ts";
import { ordersStream, parseSubject, subjectOf } from "../subjects.ts";

/** The id of the first order in the log that has an event of `kind`, or undefined if none has. */
export async function findOrderWith(connection: Connection, kind: EventKind): Promise<string | undefined> {
  const query = { seq: 1, next_by_subj: subjectOf(kind, "*") };
  const first = await readNext(connection, ordersStream, query);
  return first && parseSubject(first.subject)?.orderId;
}
