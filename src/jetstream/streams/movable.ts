import type { ConsumerInfo } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import { parseObject } from "../../core/parse-object.ts";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { remedy } from "../client/remedies.ts";
import { firstUnsettled } from "./oldest-message.ts";
import { readExtent } from "./read-message.ts";
import { isCursor } from "./stream-cursor.ts";

/** The message that a consumer may be handed next, and when it was stored, Unix µs. */
export type HeldBack = { consumer: string; sequence: number; storedAtUs: number };

/**
 * Up to which sequence no durable consumer of a stream, whoever made it, can be handed a message any more; `heldBack`
 * is the consumer that stands at the message behind it, undefined when all of them are through.
 *
 * It is not the ack floor that tells: a consumer whose filter seldom matches leaves that behind for days. Nor the
 * number of pending messages, which servers have been known to miscount. What counts is the first message of its
 * filters behind all that it has settled.
 *
 * Rejects with `not_found` while one of the `needed` consumers is missing: once it is made anew, it has to be handed
 * everything.
 */
export async function readMovable(
  connection: Connection,
  stream: string,
  needed: readonly string[] = [],
): Promise<{ to: number; heldBack: HeldBack | undefined }> {
  // Read before the consumers: what is stored meanwhile is behind it.
  const { lastSequence } = await readExtent(connection, stream);
  const consumers = await listDurables(connection, stream);
  const missing = needed.find((name) => consumers.every((info) => info.name !== name));
  if (missing !== undefined) {
    const text = `consumer ${missing} of stream ${stream} is missing: nothing is known of what it has yet to be handed`;
    throw new OrderctlError("not_found", text, { hint: remedy("create_topology"), source: "broker" });
  }
  const waiting = await Promise.all(consumers.map((info) => oldestOf(connection, info)));
  const [first] = waiting.filter((each) => each !== undefined).sort((a, b) => a.sequence - b.sequence);
  if (!first || first.sequence > lastSequence) return { to: lastSequence, heldBack: undefined };
  return { to: first.sequence - 1, heldBack: first };
}

/**
 * On a cluster the list leaves out consumers whose leader does not answer at the moment; their names are known all the
 * same.
 */
async function listDurables(connection: Connection, stream: string): Promise<ConsumerInfo[]> {
  const infos = new Map<string, ConsumerInfo>();
  try {
    for await (const info of connection.jsm.consumers.list(stream)) infos.set(info.name, info);
    const left = (await readNames(connection, stream)).filter((name) => !infos.has(name));
    for (const info of await Promise.all(left.map((name) => readConsumer(connection, stream, name))))
      if (info) infos.set(info.name, info);
  } catch (thrown) {
    throw fromNats(thrown, `read the consumers of stream ${stream}`);
  }
  return [...infos.values()].filter(({ config }) => config.durable_name !== undefined);
}

/**
 * Undefined for one that is gone meanwhile, and for a cursor that does not answer: one that a lost server had is named
 * until that is back, and is handed nothing.
 */
async function readConsumer(
  { jsm }: Connection,
  stream: string,
  name: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await jsm.consumers.info(stream, name);
  } catch (thrown) {
    if (fromNats(thrown, "").code === "not_found" || isCursor(name)) return undefined;
    throw thrown;
  }
}

type Names = { total: number; consumers: string[] | null; error?: { description?: string } };

async function readNames({ nats, apiPrefix, timeoutMs }: Connection, stream: string): Promise<string[]> {
  const names: string[] = [];
  const subject = `${apiPrefix}.CONSUMER.NAMES.${stream}`;
  for (let total = 1; names.length < total; ) {
    const from = JSON.stringify({ offset: names.length });
    const { data } = await nats.request(subject, from, { timeout: timeoutMs });
    const page = parseObject<Names>(Buffer.from(data).toString());
    const { consumers, error } = page ?? {};
    const isMissing = !consumers?.length && names.length < (page?.total ?? 1);
    if (error || isMissing)
      throw new OrderctlError(
        "unavailable",
        error?.description ?? "the broker does not tell all their names",
      );
    names.push(...(consumers ?? []));
    total = page?.total ?? 0;
  }
  return names;
}

async function oldestOf(connection: Connection, info: ConsumerInfo): Promise<HeldBack | undefined> {
  const message = await firstUnsettled(connection, info);
  return message && { consumer: info.name, sequence: message.sequence, storedAtUs: message.storedAtUs };
}
