import { createInbox, type NatsConnection, type NatsError } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import type { ConnectionConfig } from "./connection-config.ts";
import { fromNats } from "./nats-error.ts";
import { isOlder } from "./server-version.ts";

const oldest = "2.9.10";

/**
 * Rejects with `unavailable` where the broker is too old, and with `denied` where answers would never arrive because
 * this user may not listen for them. One round trip.
 */
export async function checkBroker(
  nats: NatsConnection,
  { inboxPrefix = "_INBOX" }: ConnectionConfig,
  who: string,
): Promise<void> {
  const version = nats.info?.version ?? "";
  if (isOlder(version, oldest)) {
    const text = `nats-server ${version} at nats://${nats.getServer()} is too old: ${oldest} is the oldest supported`;
    throw new OrderctlError("unavailable", text, {
      hint: "update it, or start one with `orderctl broker start`; --server names another",
    });
  }
  let refusal: NatsError | null = null;
  const callback = (error: NatsError | null) => {
    refusal ??= error;
  };
  const subscription = nats.subscribe(`${createInbox(inboxPrefix)}.*`, { callback });
  try {
    await nats.flush();
  } catch (thrown) {
    throw fromNats(thrown, `talk to nats://${nats.getServer()}`);
  }
  if (refusal === null) return subscription.unsubscribe();
  throw new OrderctlError("denied", `${who} may not listen for answers on ${inboxPrefix}.>`, {
    hint: "--inbox-prefix (or inbox_prefix in the context) names the prefix that this user may use",
    cause: refusal,
  });
}
