import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { orders } from "orderctl";
import { runHandler, testFlow } from "orderctl/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { createFlowWorld } from "../flows/flow-world.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const module = join(import.meta.dirname, "../../fixtures/flows/orders-told/told.ts");

const order = (orderId: string, quantity = 1) => ({
  ...{ orderId, customerId: `c-${orderId}`, createdAtUs: null },
  lines: [{ sku: "MUG-010", quantity, unitPriceMinor: 425 }],
  total: { amountMinor: 425 * quantity, currency: "GBP" },
});

/** Whoever is told, in a list. */
const listing = orders.replace("notification", {
  deps: (): string[] => [],
  handle: async (event, ctx) => {
    if (event.key === "gone") ctx.giveUp("the customer is gone");
    if (event.key === "busy" && ctx.attempt === 1) ctx.retryIn(10, "not yet");
    const { idempotencyKey } = await ctx.call("list", (io) => io);
    const detail = event.kind === "shipments" ? event.data.trackingId : event.data.total.amountMinor;
    ctx.deps.push(`${idempotencyKey} ${detail}`);
  },
});

async function listed() {
  const told: string[] = [];
  const test = await testFlow(listing, { deps: told });
  onTestFinished(() => test.stop());
  return { test, told };
}

describe("the order flow with a handler replaced, in a test", () => {
  it("calls the handler for each ending, with the event's data, before the log says that the customer is told", async () => {
    const { test, told } = await listed();
    for (const each of [order("a"), order("b", 2_000_000), order("A-18")]) await test.publish(each);
    const last = async (key: string) => (await test.ended(key)).at(-1);
    expect(await last("a")).toEqual({
      ...{ kind: "notifications", key: "a" },
      data: { orderId: "a", type: "SHIPPED", channel: "email" },
    });
    expect(await last("b")).toMatchObject({ data: { type: "REFUNDED" } });
    expect(await last("A-18")).toMatchObject({ data: { type: "DECLINED" } });
    await test.settled();
    expect(told.sort()).toEqual([
      "orders/notification/payments/A-18/list 425",
      "orders/notification/refunds/b/list 850000000",
      "orders/notification/shipments/a/list PARCEL-a",
    ]);
  });

  it("comes again, or becomes a dead letter, where the handler says so", async () => {
    const { test, told } = await listed();
    await test.publish(order("busy"));
    await test.ended("busy");
    expect(told).toHaveLength(1);
    await test.publish(order("gone"));
    await test.settled();
    expect(await test.deadLetters()).toEqual([
      { service: "notification", key: "gone", reason: "unprocessable", detail: "the customer is gone" },
    ]);
  });

  it("is called without a broker", async () => {
    const deps: string[] = [];
    const { lines, total } = order("x");
    const declined = { orderId: "x", status: "DECLINED", reason: "card_expired", chargeId: "" } as const;
    const given = { kind: "payments", data: { ...declined, lines, total }, deps } as const;
    expect(await runHandler(listing, "notification", given)).toEqual({
      ...{ kind: "notifications", key: "x" },
      data: { orderId: "x", type: "DECLINED", channel: "email" },
    });
    expect(deps).toEqual(["orders/notification/payments/x/list 425"]);
    await expect(runHandler(listing, "payment", { kind: "created", data: order("x"), deps })).rejects.toThrow(
      "service payment has no handler of your own for created",
    );
  });
});

describe("a replacement", () => {
  const handle = () => undefined;

  it.each<[string, () => unknown, string]>([
    // @ts-expect-error
    ["another service", () => orders.replace("payment", { handle }), "the handler of payment cannot be"],
    // @ts-expect-error
    ["no handler", () => orders.replace("notification", {}), "notification has no handler"],
    ["no channel", () => orders.replace("notification", { handle, channel: "" }), 'channel is "", no text'],
    [
      "no concurrency",
      () => orders.replace("notification", { handle, concurrency: 0 }),
      "concurrency is 0, no number from 1 on",
    ],
  ])("is refused with file and line: %s", (_, replace, why) => {
    expect(replace).toThrow(why);
    expect(replace).toThrow(/replace-handler\.test\.ts:\d+: orders\.replace: /);
  });

  it("stores nothing itself: tsc refuses what only other flows have", () => {
    orders.replace("notification", {
      // @ts-expect-error
      handle: (_, ctx) => ctx.emit("notifications", {}),
    });
    orders.replace("notification", {
      deps: () => ({ limit: 3 }),
      // @ts-expect-error
      handle: (_, ctx) => ctx.deps.most,
    });
    expect(orders.notification).toBeUndefined();
  });
});

describe("the commands", () => {
  it("run the flow of the module, and are what they are otherwise", async () => {
    const file = join(await temporaryFolder(), "told.txt");
    process.env.TOLD_FILE = file;
    onTestFinished(() => void delete process.env.TOLD_FILE);
    const world = await createFlowWorld(module);
    onTestFinished(() => world.close());
    await world.serve("all --http-port 0");
    const published = await world.run("publish order --count 100 --seed 7 --wait");
    expect(published.stdout).toContain("100 orders ended");
    const told = (await readFile(file, "utf8")).trim().split("\n");
    expect(told).toHaveLength(100);
    const [orderId = "", kind] = told[0]?.split(" ") ?? [];
    expect(told[0]).toContain(` orders/notification/${kind}/${orderId}/file`);
    expect((await world.run(`trace ${orderId}`)).stdout).toContain("by file");
    const audit = await world.run("audit");
    expect(audit.stdout).toContain("PASS  100 orders, each ended exactly once");
    const status = await world.run("status");
    expect(status.stdout).toMatch(/notification +closed/);
    const replay = await world.run("replay ORDERS --service notification");
    expect(replay.exitCode).toBe(2);
    expect(replay.stderr).toContain("notification cannot be replayed: its handler is your own");
    expect((await world.run("replay ORDERS --service shipping")).exitCode).toBe(0);
  });

  it("open what the handler works with where notification runs, and nowhere else", async () => {
    const world = await createFlowWorld(module);
    onTestFinished(() => world.close());
    const refused = await world.run("serve notification");
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toContain("what the services work with cannot be opened: TOLD_FILE is not set");
    await world.serve("payment");
  });
});
