import type { StreamConfig } from "nats";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import type { Publication } from "../../../src/jetstream/publish/publication.ts";

const onePerSubject = { max_msgs_per_subject: 1, discard: "new", discard_new_per_subject: true };

/** Creates the stream `name` on `name.>` that holds one message per subject, unless `settings` say otherwise. */
export async function createLog(
  { jsm }: Connection,
  name: string,
  settings: Record<string, unknown> = {},
): Promise<void> {
  const spec = { name, subjects: [`${name}.>`], ...onePerSubject, ...settings };
  await jsm.streams.add(spec as Partial<StreamConfig> & { name: string });
}

/** A message whose payload is `text`. */
export const textTo = (subject: string, text = "x"): Publication => ({
  subject,
  payload: new TextEncoder().encode(text),
});

export async function countStored({ jsm }: Connection, name: string): Promise<number> {
  return (await jsm.streams.info(name)).state.messages;
}
