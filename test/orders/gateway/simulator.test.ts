import { describe, expect, it } from "vitest";
import { createHttpGateway } from "../../../src/orders/gateway/http-gateway.ts";
import { createSimulatedGateway } from "../../../src/orders/gateway/simulated-gateway.ts";
import { until } from "../../support/until.ts";
import { setFaults } from "./set-faults.ts";
import { order, post, readBooked, startSimulator, temporaryFile } from "./test-simulator.ts";

describe("POST /charges", () => {
  it("books a key once and answers it again as before", async () => {
    const { url } = await startSimulator();
    const approved = { status: "approved", charge_id: "ch_a" };
    expect(await post(`${url}/charges`, order("a"), "a")).toEqual({ status: 201, body: approved });
    expect(await post(`${url}/charges`, order("a"), "a")).toEqual({ status: 200, body: approved });
    expect(await readBooked(url, "charges")).toMatchObject([{ idempotency_key: "a", amount_minor: 1999 }]);
  });

  it.each([
    ["another amount", order("a", 1)],
    ["another currency", { ...order("a"), currency: "EUR" }],
    ["another order", order("b")],
  ])("refuses %s under a key that is booked", async (_what, body) => {
    const { url } = await startSimulator();
    await post(`${url}/charges`, order("a"), "a");
    expect(await post(`${url}/charges`, body, "a")).toMatchObject({ status: 422 });
    expect(await readBooked(url, "charges")).toHaveLength(1);
  });

  it.each([
    ["no key", order("a"), undefined],
    ["a key that is too long", order("a"), "k".repeat(256)],
    ["no order", { amount_minor: 1, currency: "GBP" }, "a"],
    ["an amount that is a text", { ...order("a"), amount_minor: "1999" }, "a"],
    ["half a penny", order("a", 0.5), "a"],
    ["a currency in small letters", { ...order("a"), currency: "gbp" }, "a"],
    ["a field nobody knows", { ...order("a"), amount: 1 }, "a"],
  ])("refuses a call with %s and books nothing", async (_what, body, key) => {
    const { url } = await startSimulator();
    expect(await post(`${url}/charges`, body, key)).toMatchObject({ status: 400 });
    expect(await readBooked(url, "charges")).toEqual([]);
  });

  it("answers as the simulator inside the process does, with the same seed", async () => {
    const decision = { seed: 7, declineShare: 0.5 };
    const { url } = await startSimulator(decision);
    const call = (key: string) => ({
      orderId: key,
      idempotencyKey: key,
      total: { amountMinor: 1, currency: "GBP" },
      signal: new AbortController().signal,
    });
    const keys = Array.from({ length: 100 }, (_, index) => `order-${index}`);
    const inside = createSimulatedGateway({ ...decision, latencyMs: 0 });
    const outside = createHttpGateway({ url: new URL(url), timeoutMs: 2000 });
    const answersOf = (gateway: typeof inside) =>
      Promise.all(keys.map((key) => gateway.charge({ ...call(key) })));
    const answers = await answersOf(outside);
    expect(answers).toEqual(await answersOf(inside));
    expect(new Set(answers.map(({ status }) => status)).size).toBe(2);
    const approved = answers.flatMap((answer) => (answer.status === "APPROVED" ? answer.chargeId : []));
    const refund = { ...call("r"), chargeId: approved[0] ?? "" };
    expect(await outside.refund(refund)).toEqual(await inside.refund(refund));
  });

  it("tells a second call that the first is under way", async () => {
    const { url } = await startSimulator();
    await setFaults(url, { latency_ms: 300 });
    const answers = await Promise.all([1, 2].map(() => post(`${url}/charges`, order("a"), "a")));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(await readBooked(url, "charges")).toHaveLength(1);
  });
});

it("keeps the keys of refunds apart from those of charges", async () => {
  const { url } = await startSimulator();
  for (const key of ["refund_a", "a", "b"]) await post(`${url}/charges`, order(key), key);
  const refund = { charge_id: "ch_a", amount_minor: 1999, currency: "GBP" };
  const answer = { status: "refunded", refund_id: "re_refund_a", charge_id: "ch_a" };
  expect(await post(`${url}/refunds`, refund, "refund_a")).toEqual({ status: 201, body: answer });
  expect(await post(`${url}/refunds`, refund, "refund_a")).toEqual({ status: 200, body: answer });
  const other = { ...refund, charge_id: "ch_b" };
  expect(await post(`${url}/refunds`, other, "refund_a")).toMatchObject({ status: 422 });
  expect(await readBooked(url, "charges")).toHaveLength(3);
  expect(await readBooked(url, "refunds")).toMatchObject([{ operation: "refund", charge_id: "ch_a" }]);
});

describe("POST /refunds", () => {
  const refund = { charge_id: "ch_a", amount_minor: 1999, currency: "GBP" };

  it.each([
    ["a charge that nobody made", { ...refund, charge_id: "ch_x" }, "no such charge"],
    ["a charge whose id only resembles one", { ...refund, charge_id: "xx_a" }, "no such charge"],
    ["a charge that was declined", { ...refund, charge_id: "ch_order-1" }, "no such charge"],
    ["more than was charged", { ...refund, amount_minor: 2000 }, "only 1999 were charged"],
    ["in another currency", { ...refund, currency: "EUR" }, "made in GBP"],
  ])("gives nothing back for %s", async (_what, body, message) => {
    const { url } = await startSimulator({ seed: 1, declineShare: 0.5 });
    const charges = await Promise.all(["a", "order-1"].map((key) => post(`${url}/charges`, order(key), key)));
    expect(charges.map(({ status }) => status)).toEqual([201, 402]);
    const answer = await post(`${url}/refunds`, body, "any");
    expect(answer).toEqual({ status: 422, body: { message: expect.stringContaining(message) } });
    expect(await readBooked(url, "refunds")).toEqual([]);
  });

  it("gives a charge back once, whatever the key, also after a restart and when asked twice at a time", async () => {
    const ledger = await temporaryFile("ledger.ndjson");
    const first = await startSimulator({ ledger });
    await post(`${first.url}/charges`, order("a"), "a");
    await setFaults(first.url, { latency_ms: 100 });
    const both = ["refund_a", "forged"].map((key) => post(`${first.url}/refunds`, refund, key));
    expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([201, 409]);
    await setFaults(first.url, {});
    const [booked] = await readBooked(first.url, "refunds");
    expect(await post(`${first.url}/refunds`, refund, "other")).toMatchObject({ status: 422 });
    await first.stop(0);
    const { url } = await startSimulator({ ledger });
    expect(await post(`${url}/refunds`, refund, "other")).toMatchObject({ status: 422 });
    expect(await post(`${url}/refunds`, refund, booked?.idempotency_key)).toMatchObject({ status: 200 });
    expect(await readBooked(url, "refunds")).toHaveLength(1);
  });

  it("gives nothing back for what another gateway has charged", async () => {
    const [charged, other] = [await startSimulator(), await startSimulator()];
    const total = { amountMinor: 1999, currency: "GBP" };
    const { signal } = new AbortController();
    const at = (url: string) => createHttpGateway({ url: new URL(url), timeoutMs: 2000 });
    await at(charged.url).charge({ orderId: "a", total, idempotencyKey: "a", signal });
    const wanted = { chargeId: "ch_a", total, idempotencyKey: "refund_a", signal };
    await expect(at(other.url).refund(wanted)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("no such charge was made here"),
    });
    expect(await at(charged.url).refund(wanted)).toEqual({ refundId: "re_refund_a" });
  });
});

it("shows one entry by its key, however odd, and 404 where there is none", async () => {
  const { url } = await startSimulator();
  const key = "a/b?c %".repeat(30);
  const place = `${url}/charges/${encodeURIComponent(key)}`;
  expect((await fetch(place)).status).toBe(404);
  await post(`${url}/charges`, order("a"), key);
  expect(await (await fetch(place)).json()).toMatchObject({ order_id: "a", idempotency_key: key.trim() });
});

it("lists many entries, whole and in order", async () => {
  const { url } = await startSimulator();
  const keys = Array.from({ length: 2000 }, (_, index) => `order-${index}`);
  for (let start = 0; start < keys.length; start += 100)
    await Promise.all(keys.slice(start, start + 100).map((key) => post(`${url}/charges`, order(key), key)));
  const booked = await readBooked(url, "charges");
  expect(booked.map(({ order_id }) => order_id).sort()).toEqual(keys.sort());
});

describe("PUT /faults", () => {
  it("replaces all of them, shows them, and refuses what it does not know", async () => {
    const { url } = await startSimulator();
    const read = async () => (await fetch(`${url}/faults`)).json();
    await setFaults(url, { outage: true, error_share: 0.5 });
    expect(await read()).toEqual({
      latency_ms: 0,
      error_share: 0.5,
      drop_share: 0,
      outage: true,
      hang: false,
    });
    await expect(setFaults(url, { error_share: 2 })).rejects.toThrow("400");
    await expect(setFaults(url, { outages: true } as never)).rejects.toThrow("400");
    await setFaults(url, {});
    expect(await read()).toMatchObject({ outage: false, error_share: 0 });
  });

  it.each([
    ["outage", { outage: true }, 503],
    ["errors", { error_share: 1 }, 500],
  ])("books nothing in an %s", async (_what, faults, status) => {
    const { url } = await startSimulator();
    await setFaults(url, faults);
    expect(await post(`${url}/charges`, order("a"), "a")).toMatchObject({ status });
    expect(await readBooked(url, "charges")).toEqual([]);
    await setFaults(url, {});
    expect(await post(`${url}/charges`, order("a"), "a")).toMatchObject({ status: 201 });
  });

  it("drops a connection after the charge is booked, and does not book it again", async () => {
    const { url } = await startSimulator();
    await setFaults(url, { drop_share: 1 });
    await expect(post(`${url}/charges`, order("a"), "a")).rejects.toThrow("fetch failed");
    await setFaults(url, {});
    expect(await post(`${url}/charges`, order("a"), "a")).toMatchObject({ status: 200 });
    expect(await readBooked(url, "charges")).toHaveLength(1);
  });

  it("hangs without booking, and can be stopped all the same", async () => {
    const simulator = await startSimulator();
    const { url } = simulator;
    await setFaults(url, { hang: true });
    const impatient = { method: "POST", signal: AbortSignal.timeout(100) };
    const headers = { "content-type": "application/json", "idempotency-key": "a" };
    const body = JSON.stringify(order("a"));
    await expect(fetch(`${url}/charges`, { ...impatient, headers, body })).rejects.toThrow("timeout");
    await setFaults(url, {});
    expect(await post(`${url}/charges`, order("a"), "a")).toMatchObject({ status: 201 });
    await setFaults(url, { hang: true });
    let ended = false;
    const hanging = post(`${url}/charges`, order("b"), "b").finally(() => {
      ended = true;
    });
    await until(async () => (await fetch(`${url}/healthz`)).ok);
    expect(ended).toBe(false);
    const startedAt = performance.now();
    await Promise.allSettled([simulator.stop(15_000), hanging]);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
