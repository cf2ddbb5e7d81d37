import { expect, it } from "vitest";
import { decodeEvent } from "../../src/orders/wire/codec.ts";
import { poison } from "./poison.ts";

it("is nothing that could be read as an event, each message under a subject of its own", () => {
  const messages = Array.from({ length: 2000 }, (_, number) => poison(7, number));
  for (const { subject, payload } of messages) {
    expect(() => decodeEvent(subject, payload), subject).toThrow(
      expect.objectContaining({ code: "bad_message" }),
    );
  }
  expect(new Set(messages.map(({ subject }) => subject)).size).toBe(2000);
});
