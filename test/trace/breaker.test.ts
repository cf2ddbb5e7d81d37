import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { Breaker, createBreakingGateway } from "../../src/orders/gateway/breaker.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import type { OrderTrace } from "../../src/trace/picture.ts";
import { event } from "../orders/order-log.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { until } from "../support/until.ts";
import { openTraceWorld, shipOrders, type TraceWorld } from "./trace-world.ts";

const openMs = 400;
const traceIds = { traced: `${"0".repeat(30)}a1`, untraced: `${"0".repeat(30)}b2` };

let world: TraceWorld;

const trace = async (id: string, ...flags: string[]): Promise<string> =>
  (await runCommand(["trace", id, "-s", world.broker.url, ...flags], { columns: 80 })).stdout;

const traceJson = async (id: string): Promise<OrderTrace> => JSON.parse(await trace(id, "--json")).data;

/** Fails for the first call of each order, which opens the breaker. */
function failingOnce(): PaymentGateway {
  const seen = new Set<string>();
  return {
    async charge({ idempotencyKey, watch }) {
      const call = watch?.("charge", 1);
      const error = seen.has(idempotencyKey) ? undefined : new OrderctlError("unavailable", "503");
      seen.add(idempotencyKey);
      call?.end(error);
      if (error) throw error;
      return { status: "APPROVED", chargeId: `ch_${idempotencyKey}` };
    },
    refund: async () => ({ refundId: "re" }),
  };
}

/** With a breaker around what the services pay with. */
beforeAll(async () => {
  world = await openTraceWorld();
  const breaker = new Breaker({ name: "PaymentService", failures: 0, openMs, note: () => {} });
  await shipOrders(world, traceIds, { gateway: createBreakingGateway(failingOnce(), breaker), breaker });
});

afterAll(() => world.stop());

// The wait used to be shown as the work of payment.
describe("a delivery that was held behind an open breaker", () => {
  it.each(["traced", "untraced"] as const)("is shown as waiting for the provider: %s", async (id) => {
    const text = await trace(id);
    expect(text).toMatch(/\n└ payment .*░░░░/);
    expect(text).toMatch(/░░ waiting for PaymentService \(breaker\) \d+ ms \(\d\d%\)/);
    expect(text).toMatch(/\n\d\d% of the time: waiting for PaymentService \(breaker\)/);
  });

  it.each(["traced", "untraced"] as const)("is no work in --json: %s", async (id) => {
    const { hops, rows, criticalPath } = await traceJson(id);
    const [, payment] = hops;
    expect(payment).toMatchObject({ kind: "payments", attempt: 1, heldBy: "PaymentService" });
    expect(payment?.heldMs).toBeGreaterThan(openMs * 0.9);
    expect(payment?.workedMs).toBeLessThan(openMs / 2);
    const { waitedMs, workedMs, heldMs, storingMs, elapsedMs } = payment ?? {};
    expect(
      [waitedMs, workedMs, heldMs, storingMs].reduce<number>((sum, ms) => sum + (ms ?? 0), 0),
    ).toBeCloseTo(elapsedMs ?? 0, 3);
    expect(criticalPath).toMatchObject({
      heldBy: "PaymentService",
      largest: { what: "waiting for PaymentService (breaker)" },
    });
    expect(criticalPath.heldMs).toBeGreaterThan(openMs * 0.9);
    const row = rows.find(({ label }) => label === "payment");
    expect(row).toMatchObject({
      heldBy: "PaymentService",
      segments: expect.arrayContaining([expect.objectContaining({ as: "held" })]),
    });
  });

  it("has a span that says so, where it was sampled", async () => {
    const { spans } = await readTrace(world.connection, traceIds.traced);
    const wait = spans.find(({ name }) => name === "wait for PaymentService");
    expect(wait).toMatchObject({
      kind: "INTERNAL",
      attributes: { "orderctl.breaker": "PaymentService", "order.id": "traced" },
    });
    expect(await trace("traced")).toMatch(/\n {2}├ wait for PaymentService .*░░/);
  });

  it("shows in ASCII as well", async () => {
    const { stdout } = await runCommand(["trace", "untraced", "-s", world.broker.url], {
      columns: 80,
      env: { LANG: "C" },
    });
    expect(stdout).toMatch(/:: waiting for PaymentService \(breaker\)/);
  });
});

describe("an order that waits behind an open breaker", () => {
  it("says so and since when, as long as every process that could work on it has it open", async () => {
    const outage = "--gateway-errors 1 --breaker-failures 0 --breaker-open 10m --gateway-backoff 1ms";
    const serving = serve(world.broker.url, `payment ${outage}`);
    const writer = await openLogWriter(world.connection);
    await writer.store(event("created", "held"));
    writer.close();
    const headline = async () => (await trace("held")).split("\n")[0];
    await until(async () => (await headline())?.includes("PaymentService (breaker)") ?? false, 20_000);
    const text = await trace("held");
    expect(text).toMatch(/^order held waiting for PaymentService \(breaker\), /);
    expect(text).toMatch(/waiting for PaymentService \(breaker open since \d\d:\d\d:\d\dZ\)/);
    expect(text).toMatch(/\n└ payment .*░.* waiting for PaymentService \(breaker\)/);
    const { breaker, rows } = await traceJson("held");
    expect(breaker).toEqual({
      name: "PaymentService",
      openSince: expect.any(String),
      openForMs: expect.any(Number),
    });
    expect(rows.at(-1)).toMatchObject({ is: "pending", heldBy: "PaymentService" });
    const other = serve(world.broker.url, "payment --instance other");
    await until(
      async () => (await headline())?.startsWith("order held waiting for payment, ") ?? false,
      20_000,
    );
    await Promise.all([serving.stop(), other.stop()]);
  });
});
