import { describe, expect, it } from "vitest";
import { type ConsumerLag, type StreamLag, stateOf } from "../../src/jetstream/streams/lag.ts";
import { lagTable } from "../../src/lag/lag-table.ts";
import type { Style } from "../../src/terminal/terminal.ts";

const plain: Style = { colour: false, width: 100, unicode: true };

const idle: ConsumerLag = {
  consumer: "shipping-booker",
  durable: true,
  mode: "pull",
  bound: null,
  pending: 0,
  ackPending: 0,
  redelivered: 0,
  waiting: 1,
  oldestAgeMs: null,
  inPerS: 0,
  outPerS: 0,
  drainS: 0,
  pausedUntil: null,
  ackWaitMs: 30_000,
  comesAgainBy: null,
  workers: null,
  unclaimed: null,
  state: "unknown",
  reasons: [],
};
const busy: ConsumerLag = {
  ...idle,
  consumer: "payment-processor",
  pending: 12_345,
  ackPending: 256,
  redelivered: 3,
  waiting: 0,
  oldestAgeMs: 4210,
  inPerS: 2000,
  outPerS: 7040.4,
  drainS: 2.5,
};
const stuck: ConsumerLag = {
  ...idle,
  consumer: "inventory-reserver",
  pending: 9,
  waiting: 0,
  oldestAgeMs: 95_000,
  drainS: null,
};
const fresh: ConsumerLag = {
  ...idle,
  consumer: "new-one",
  pending: 5,
  oldestAgeMs: 20,
  inPerS: null,
  outPerS: null,
  drainS: null,
};

const lagOf = (...consumers: ConsumerLag[]): StreamLag =>
  lagAs(...consumers.map((consumer) => ({ ...consumer, state: stateOf(consumer, false) })));

const lagAs = (...consumers: ConsumerLag[]): StreamLag => ({
  stream: "ORDERS",
  sampledAt: "2024-03-01T08:26:00.000Z",
  intervalMs: 1000,
  clock: { aheadMs: 0.1, errorMs: 0.2 },
  consumers,
});

describe("lagTable", () => {
  it("says first that everybody is up to date", () => {
    expect(lagTable(lagOf(idle), plain)).toMatchInlineSnapshot(`
      "ORDERS: its consumer is up to date

      consumer         pending  unack  redel  wait  oldest   in  out  drain
      shipping-booker        0      0      0     1       -  0/s  0/s      -"
    `);
  });

  it("says how much is to go and on what nobody works", () => {
    expect(lagTable(lagOf(busy, stuck, fresh), plain)).toMatchInlineSnapshot(`
      "ORDERS: 12,615 deliveries to go; nobody is working on inventory-reserver

      consumer            pending  unack  redel  wait   oldest       in      out  drain
      payment-processor    12,345    256      3     0    4.2 s  2,000/s  7,040/s  2.5 s
      inventory-reserver        9      0      0     0    1m35s      0/s      0/s  never
      new-one                   5      0      0     1  20.0 ms        -        -      -"
    `);
  });

  it("tells deliveries that wait for their acknowledgement from those that nobody fetches", () => {
    const unacked = { ...stuck, pending: 0, ackPending: 1, waiting: 7 };
    expect(lagTable(lagOf(unacked), plain)).toMatchInlineSnapshot(`
      "ORDERS: 1 delivery to go; no ack meanwhile on inventory-reserver

      consumer            pending  unack  redel  wait  oldest   in  out  drain
      inventory-reserver        0      1      0     7   1m35s  0/s  0/s      ?"
    `);
    const hanging = { ...stuck, ackPending: 256 };
    expect(lagTable(lagOf(hanging), plain)).toMatch(
      /^ORDERS: 265 .* nobody acks or fetches on inventory-reserver\n/,
    );
    const until = lagTable(lagOf({ ...hanging, comesAgainBy: "2024-03-01T08:26:24.000Z" }), plain);
    expect(until).toMatch(/inventory-reserver; what a dead worker holds\ncomes again by \d\d:26:24\n/);
    const both = lagTable(lagOf(hanging, { ...stuck, consumer: "abandoned" }), plain);
    expect(both).toMatch(/^ORDERS: 274 deliveries to go; nobody is working on abandoned\n/);
  });

  it("takes no reader that goes with its process for work that nobody does, unless there are only such", () => {
    const reader = { ...stuck, consumer: "AE174PJ_1", durable: false };
    expect(lagTable(lagOf(idle, reader), plain)).toMatch(/^ORDERS: its consumer is up to date\n/);
    expect(lagTable(lagOf(reader), plain)).toMatch(
      /^ORDERS: 9 deliveries .* nobody is working on AE174PJ_1\n/,
    );
  });

  it("leaves the inflow out only where the table would not fit", () => {
    const hasInflow = (width: number) => / in /.test(lagTable(lagOf(busy, stuck), { ...plain, width }));
    expect([79, 80].map(hasInflow)).toEqual([false, true]);
  });

  it("cuts and wraps nothing where there is no width", () => {
    const names = Array.from(
      { length: 9 },
      (_, index) => `${"a-long-name-of-a-consumer-".repeat(3)}${index}`,
    );
    const consumers = names.map((consumer) => ({ ...stuck, consumer }));
    const lines = lagTable(lagOf(...consumers), { ...plain, width: Number.POSITIVE_INFINITY }).split("\n");
    expect(lines[0]).toMatch(new RegExp(`nobody is working on ${names.join(", ")}$`));
    expect(lines.slice(3).map((line) => line.split(" ")[0])).toEqual(names);
  });

  it("says that everybody keeps up only where it knows that every backlog shrinks", () => {
    const [answer] = lagTable(lagOf(busy, idle), plain).split("\n");
    expect(answer).toBe("ORDERS: 12,601 deliveries to go, everybody keeps up");
    const steady = { ...busy, pending: 3, ackPending: 2, drainS: null };
    expect(lagTable(lagOf(steady), plain)).toMatch(/^ORDERS: 5 deliveries to go, everybody keeps up\n/);
    const wobbling = { ...busy, pending: 0, ackPending: 25, inPerS: 300, outPerS: 282, drainS: null };
    expect(lagTable(lagOf(wobbling), plain)).toMatch(/^ORDERS: 25 deliveries to go, everybody keeps up\n/);
    const behind = { ...busy, pending: 3000, inPerS: 10_000, outPerS: 8900, drainS: null };
    expect(lagTable(lagOf(behind), plain)).toMatch(/^ORDERS: 3,256 deliveries to go\n.* never$/s);
    const growing = { ...busy, consumer: "slow", inPerS: 9000, drainS: null };
    for (const other of [growing, fresh]) {
      expect(lagTable(lagOf(busy, other), plain).split("\n")[0]).toMatch(/^ORDERS: [\d,]+ deliveries to go$/);
    }
  });

  it("marks the rows of who is stuck by colour, beside the words", () => {
    const lines = lagTable(lagOf(busy, stuck), { ...plain, colour: true }).split("\n");
    const yellow = lines.filter((line) => line.includes("\u001b[33m"));
    expect(yellow).toEqual([expect.stringContaining("inventory-reserver")]);
  });

  it("does not say that everybody keeps up while the oldest delivery stays where it is", () => {
    const holding = { ...busy, pending: 0, ackPending: 240, oldestAgeMs: 12_000 };
    expect(stateOf(holding, false)).toBe("keeps_up");
    const held = lagAs({ ...holding, state: stateOf(holding, true) });
    expect(lagTable(held, plain).split("\n")[0]).toBe(
      "ORDERS: 240 deliveries to go; the oldest delivery of payment-processor has waited 12.0 s for its ack",
    );
    expect(stateOf({ ...holding, oldestAgeMs: 800 }, true)).toBe("keeps_up");
  });

  it("says how many nobody holds that answers, and when they come again by the clock on this wall", () => {
    const at = (aheadMs: number) => {
      const held = { ...busy, ackPending: 236, workers: 0, unclaimed: 236, state: "held" as const };
      const lag = lagAs({ ...held, comesAgainBy: "2024-03-01T08:26:24.000Z" });
      return lagTable({ ...lag, clock: { aheadMs, errorMs: 0.1 } }, { ...plain, width: 200 }).split("\n")[0];
    };
    expect(at(0)).toMatch(/; 236 deliveries of payment-processor are held by nobody .*, until \d\d:26:24$/);
    expect(at(60_000)).toMatch(/until \d\d:27:24$/);
  });

  it("says who is paused and until when, also where nothing waits", () => {
    const paused = { ...idle, pausedUntil: "2024-03-01T08:31:00.000Z" };
    const [answer, , , row] = lagTable(lagOf(paused), plain).split("\n");
    expect(answer).toMatch(
      /^ORDERS: its consumer is up to date; shipping-booker is paused until \d\d:31:00$/,
    );
    expect(row).toMatch(/ paused$/);
    const long = { ...paused, pending: 3, pausedUntil: "2024-03-05T08:31:00.000Z" };
    expect(lagTable(lagOf(long), plain)).toMatch(/^ORDERS: 3 .* paused until 2024-03-0\d \d\d:31:00\n/);
  });

  it("says why a consumer does not go on instead of what follows from it", () => {
    const push = { ...stuck, mode: "push" as const, bound: false, waiting: null };
    const lag = lagOf(
      { ...push, reasons: ["nobody listens on deliver.here"] },
      { ...stuck, consumer: "other" },
    );
    expect(lagTable(lag, { ...plain, width: 120 })).toMatchInlineSnapshot(`
      "ORDERS: 18 deliveries to go; inventory-reserver: nobody listens on deliver.here

      consumer            pending  unack  redel     wait  oldest   in  out  drain
      inventory-reserver        9      0      0  unbound   1m35s  0/s  0/s  never
      other                     9      0      0        0   1m35s  0/s  0/s  never

      inventory-reserver: nobody listens on deliver.here"
    `);
    const bound = lagOf({ ...push, bound: true, pending: 0, ackPending: 1 });
    expect(lagTable(bound, plain)).toMatch(/; no ack meanwhile on inventory-reserver\n[\s\S]* push /);
  });

  it("takes no message for the oldest where it does not know which one is", () => {
    const row = lagTable(lagOf({ ...busy, oldestAgeMs: null }), plain)
      .split("\n")
      .at(-1);
    expect(row).toMatch(/ 12,345 +256 +3 +0 +\? /);
  });

  it("says that a stream has no consumers", () => {
    expect(lagTable(lagOf(), plain)).toBe("ORDERS has no consumers");
  });
});
