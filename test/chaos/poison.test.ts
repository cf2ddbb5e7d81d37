import { expect, it } from "vitest";
import type { Tortured } from "./tortured.ts";
import { torturedClaims } from "./tortured-claims.ts";
import { torturedOrders } from "./tortured-orders.ts";

const flows: readonly [string, () => Tortured | Promise<Tortured>][] = [
  ["orders", () => torturedOrders],
  ["claims", torturedClaims],
];

it.each(
  flows,
)("is nothing that could be read as an event of %s, each message under a subject of its own", async (_, open) => {
  const { flow, poison } = await open();
  const messages = Array.from({ length: 2000 }, (_, number) => poison(7, number));
  for (const { subject, payload } of messages) {
    expect(() => flow.decode(subject, payload), subject).toThrow(
      expect.objectContaining({ code: "bad_message" }),
    );
  }
  expect(new Set(messages.map(({ subject }) => subject)).size).toBe(2000);
});
