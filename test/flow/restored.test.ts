import { expect, it } from "vitest";
import type { FlowLog, Subscription } from "../../src/flow/flow.ts";
import { restoredHeader, unlessRestored } from "../../src/flow/restored.ts";
import type { Delivery } from "../../src/jetstream/consume/delivery.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";

it("does not work on a restored event again where nothing would show that it was worked on", async () => {
  const worked: number[] = [];
  const log = { flow: orderFlow } as unknown as FlowLog;
  const subscription = { service: "mail", consumer: "mail", on: "created", emits: [] } as Subscription;
  const process = unlessRestored(log, subscription, async ({ sequence }) => void worked.push(sequence));
  const delivery = (sequence: number, restored?: string) =>
    ({
      subject: "ORDERS.created.a",
      sequence,
      header: (name: string) => (name === restoredHeader ? restored : undefined),
    }) as Delivery;
  const { signal } = new AbortController();
  await process(delivery(1, "7"), signal);
  await process(delivery(2), signal);
  expect(worked).toEqual([2]);
});
