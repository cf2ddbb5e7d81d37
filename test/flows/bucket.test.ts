import { defineFlow } from "orderctl";
import { testFlow } from "orderctl/testing";
import { expect, it } from "vitest";

type Seats = {
  key: "guest";
  events: {
    asked: { guest: string; show: string };
    answered: { guest: string; answer: "SEATED" | "FULL"; settledTo: number };
  };
};

const seatsOf = 3;

const flow = defineFlow<Seats>({
  name: "seats",
  key: "guest",
  buckets: ["taken"],
  events: { asked: {}, answered: { status: "answer", statuses: ["SEATED", "FULL"], refusals: ["FULL"] } },
}).service("seat", {
  on: "asked",
  emits: ["answered"],
  handle: async ({ key, data: { show } }, ctx) => {
    const taken = ctx.bucket("taken");
    const settledTo = await ctx.settledTo();
    for (;;) {
      const { value = "", revision = 0 } = (await taken.read(show)) ?? {};
      const guests = value.split(",").filter((guest) => guest !== "");
      if (guests.includes(key)) return ctx.emit("answered", { answer: "SEATED", settledTo });
      if (guests.length === seatsOf) return ctx.emit("answered", { answer: "FULL", settledTo });
      if ((await taken.write(show, [...guests, key].join(","), revision)) !== undefined)
        return ctx.emit("answered", { answer: "SEATED", settledTo });
    }
  },
});

it("keeps what many events share in a bucket, changed by compare-and-set, and knows what is settled", async () => {
  const test = await testFlow(flow);
  try {
    const guests = Array.from({ length: 12 }, (_, index) => `g-${index}`);
    await Promise.all(guests.map((guest) => test.publish({ guest, show: "a b/ü" })));
    const events = await Promise.all(guests.map(async (guest) => (await test.ended(guest)).at(-1)));
    const answers = events.map((event) => (event?.kind === "answered" ? event.data : undefined));
    expect(answers.filter((each) => (each as { answer?: string })?.answer === "SEATED")).toHaveLength(
      seatsOf,
    );
    await test.publish({ guest: "late", show: "other" });
    const [asked, answered] = await test.ended("late");
    // Of the thirteenth event that is worked on, the twelve before it are settled.
    expect(asked?.kind).toBe("asked");
    expect((answered?.data as { settledTo?: number }).settledTo).toBeGreaterThanOrEqual(12);
    expect(await test.deadLetters()).toEqual([]);
  } finally {
    await test.stop();
  }
});

it("refuses a bucket that the flow does not have", async () => {
  const wrong = defineFlow<Seats>({
    name: "seats",
    key: "guest",
    events: { asked: {}, answered: {} },
  }).service("seat", {
    on: "asked",
    emits: ["answered"],
    handle: (_, ctx) => void ctx.bucket("taken"),
  });
  const test = await testFlow(wrong, {});
  try {
    await test.publish({ guest: "a", show: "b" });
    await expect(test.ended("a", 3000)).rejects.toThrow(/asks for the bucket taken, and the flow has none/);
  } finally {
    await test.stop();
  }
});
