import type { Flow } from "../../src/flow/flow.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { EventKind } from "../../src/orders/events.ts";
import { createOrderGenerator } from "../../src/orders/generator.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import type { BookRules } from "./books.ts";
import { garbage } from "./garbage.ts";
import type { Poison, Tortured } from "./tortured.ts";

export const orderRules: BookRules = {
  noun: { one: "order", many: "orders" },
  first: "created",
  isEnd: (kind) => kind === "notifications",
  booked: {
    charge: {
      promise: "one charge at the gateway for each approved order",
      isFor: (kind, status) => kind === "payments" && status === "APPROVED",
    },
    refund: { promise: "one repayment for each refund", isFor: (kind) => kind === "refunds" },
  },
};

/** The built-in flow. */
export const torturedOrders: Tortured = {
  flow: orderFlow as unknown as Flow,
  rules: orderRules,
  booked: "charges",
  words: "",
  serve: ({ gatewayUrl, breakerOpenMs, keys }) => ({
    words: [
      `serve all --gateway ${gatewayUrl} --breaker-open ${breakerOpenMs}ms`,
      `--default-stock ${Math.ceil(keys / 10)} --http-port 0`,
    ].join(" "),
  }),
  gatewayWords: "--decline-share 5%",
  auditWords: (gatewayUrl) => `--gateway ${gatewayUrl}`,
  publish: async ({ count, seed, rate }) => `publish order --count ${count} --seed ${seed} --rate ${rate}`,
  *keysOf({ count, seed }) {
    for (const { orderId } of generateOrders(count, seed).orders) yield orderId;
  },
  poison,
  keyOf: ({ idempotency_key: key }) => key.replace(/^refund_/, ""),
  absenceMs: 0,
};

/** Each has one consumer: one dead letter for a message. */
const kinds: readonly EventKind[] = ["created", "shipments", "refunds"];

/** Random bytes, and every fourth an event of another order. */
function poison(seed: number, number: number): Poison {
  const kind = kinds[number % kinds.length] ?? "created";
  const subject = subjectOf(kind, `poison-${number}`);
  const payload =
    number % 4 === 0 ? encodeEvent(createOrderGenerator({ seed }).next()) : garbage(seed, number);
  return { subject, payload };
}
