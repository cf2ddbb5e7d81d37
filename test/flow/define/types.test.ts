import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineFlow } from "../../../src/index.ts";

type Claims = {
  key: "claimId";
  events: {
    opened: { claimId: string; amount: number };
    assessed: { claimId: string; verdict: "COVERED" | "REFUSED" };
  };
};

const events = { opened: {}, assessed: { status: "verdict", statuses: ["COVERED", "REFUSED"] } } as const;
const flow = defineFlow<Claims>({ name: "claims", key: "claimId", events });

/** `npm run check` compiles this file: each line that is expected to be refused fails where it is not. */
describe("tsc", () => {
  it("takes what fits", () => {
    const more = flow
      .deps(() => ({ limit: 3 }))
      .service("assess", {
        on: "opened",
        emits: ["assessed"],
        handle: ({ data: { amount }, key }, { emit, deps }) =>
          emit("assessed", { verdict: amount > deps.limit && key !== "" ? "COVERED" : "REFUSED" }),
      })
      .service("file", { on: "assessed", when: "COVERED", handle: ({ data }) => void data.verdict });
    expect(more.services.map(({ name }) => name)).toEqual(["assess", "file"]);
    expect(flow.services).toEqual([]);
  });

  it("refuses an undeclared kind", () => {
    // @ts-expect-error
    flow.service("a", { on: "paid", handle: () => undefined });
    // @ts-expect-error
    flow.service("a", { on: "opened", emits: ["paid"], handle: () => undefined });
    // @ts-expect-error
    flow.service("a", { on: "opened", emits: ["assessed"], handle: (_, { emit }) => emit("opened", {}) });
    // @ts-expect-error
    flow.service("a", { on: "opened", handle: (_, { emit }) => emit("assessed", { verdict: "COVERED" }) });
    expect(flow.services).toEqual([]);
  });

  it("refuses an unknown field", () => {
    // @ts-expect-error
    flow.service("a", { on: "opened", handle: ({ data }) => void data.amountMinor });
    flow.service("a", {
      on: "opened",
      emits: ["assessed"],
      // @ts-expect-error
      handle: (_, { emit }) => emit("assessed", { verdict: "COVERED", sum: 1 }),
    });
    flow.service("a", {
      on: "opened",
      emits: ["assessed"],
      // @ts-expect-error
      handle: (_, { emit }) => emit("assessed", {}),
    });
    expect(flow.services).toEqual([]);
  });

  it("refuses a wrong status", () => {
    // @ts-expect-error
    flow.service("a", { on: "assessed", when: "HELD", handle: () => undefined });
    // @ts-expect-error
    flow.service("a", { on: "opened", when: "COVERED", handle: () => undefined });
    defineFlow<Claims>({
      name: "claims",
      key: "claimId",
      // @ts-expect-error
      events: { opened: {}, assessed: { status: "verdict", refusals: ["HELD"] } },
    });
    expect(flow.services).toEqual([]);
  });

  it("refuses a missing key, and a missing kind", () => {
    // @ts-expect-error
    defineFlow<Claims>({ name: "claims", events });
    // @ts-expect-error
    defineFlow<Claims>({ name: "claims", key: "id", events });
    // @ts-expect-error
    defineFlow<Claims>({ name: "claims", key: "claimId", events: { opened: {} } });
    expect(flow.services).toEqual([]);
  });

  it("knows the events by their schemas", () => {
    const signups = defineFlow({
      name: "signups",
      key: "email",
      events: {
        requested: {
          schema: z.object({ email: z.string(), plan: z.enum(["FREE", "PAID"]) }),
          status: "plan",
        },
        welcomed: { schema: z.object({ email: z.string(), at: z.string() }) },
      },
    });
    const on = { on: "requested", emits: ["welcomed"] } as const;
    signups.service("welcome", {
      ...on,
      when: "PAID",
      handle: ({ data }, { emit }) => emit("welcomed", { at: data.plan }),
    });
    // @ts-expect-error
    signups.service("welcome", { ...on, handle: ({ data }, { emit }) => emit("welcomed", { at: data.age }) });
    // @ts-expect-error
    signups.service("welcome", { ...on, when: "TRIAL", handle: () => undefined });
    expect(signups.services).toEqual([]);
  });
});
