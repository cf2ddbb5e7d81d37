import type { Connection } from "../jetstream/connection.ts";
import { scanStream } from "../jetstream/scan.ts";
import type { EventKind } from "../orders/events.ts";
import { ordersStream, parseSubject, subjectOf } from "../orders/subjects.ts";

/** The id of the first order in the log that has an event of `kind`, or undefined if none has. */
export async function findOrderWith(connection: Connection, kind: EventKind): Promise<string | undefined> {
  let found: string | undefined;
  await scanStream(connection, { stream: ordersStream, filter: subjectOf(kind, "*") }, ({ subject }) => {
    found ??= parseSubject(subject)?.orderId;
  });
  return found;
}
