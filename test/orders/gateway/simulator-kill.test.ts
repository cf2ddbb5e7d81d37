import { setMaxListeners } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { Charge, ChargeRequest, PaymentGateway } from "../../../src/orders/gateway/gateway.ts";
import { createHttpGateway } from "../../../src/orders/gateway/http-gateway.ts";
import { freePort } from "../../support/free-ports.ts";
import { supervise } from "../../support/supervised.ts";
import { until } from "../../support/until.ts";
import { setFaults } from "./set-faults.ts";
import { readBooked, temporaryFile } from "./test-simulator.ts";

const count = 2000;
const concurrency = 64;

const isUp = (url: string) =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

/** Again soon until there is an answer: with pauses that grow, most of the time went by after the gateway was back. */
const charge = (gateway: PaymentGateway, request: ChargeRequest): Promise<Charge> =>
  gateway.charge(request).catch(() => wait(20).then(() => charge(gateway, request)));

/** Charges all keys, `concurrency` at a time; each until there is an answer. */
async function chargeAll(url: string, onAnswer: (answered: number) => void): Promise<Map<string, Charge>> {
  const gateway = createHttpGateway({ url: new URL(url), timeoutMs: 2000 });
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const answers = new Map<string, Charge>();
  const keys = Array.from({ length: count }, (_, index) => `order-${index}`).values();
  const chargeSome = async () => {
    for (const key of keys) {
      const total = { amountMinor: 1999, currency: "GBP" };
      answers.set(key, await charge(gateway, { orderId: key, total, idempotencyKey: key, signal }));
      onAnswer(answers.size);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, chargeSome));
  return answers;
}

it("books each key once and as it was answered, however often it is killed in the thick of it", async () => {
  const ledger = await temporaryFile("ledger.ndjson");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const simulator = supervise(
    `serve gateway --gateway-port ${port} --ledger ${ledger} --decline-share 30% --gateway-latency 2ms`,
  );
  onTestFinished(async () => void (await simulator.stop()));
  await until(() => isUp(url));
  await setFaults(url, { latency_ms: 2, drop_share: 0.1 });
  const kills: Promise<void>[] = [];
  const answers = await chargeAll(url, (answered) => {
    if (answered % 600 === 0) kills.push(simulator.kill());
  });
  await Promise.all(kills);
  expect(kills).toHaveLength(3);
  expect(answers.size).toBe(count);

  await until(() => isUp(url));
  const booked = await readBooked(url, "charges");
  expect(booked).toHaveLength(count);
  expect(new Set(booked.map((entry) => entry.idempotency_key)).size).toBe(count);
  const told = booked.map(({ charge_id, reason }) => charge_id ?? reason);
  const heard = booked.map(({ idempotency_key: key }) => {
    const charge = answers.get(key);
    return charge?.status === "APPROVED" ? charge.chargeId : charge?.reason;
  });
  expect(told).toEqual(heard);
  // Nothing but whole lines, one for each key.
  expect((await readFile(ledger, "utf8")).split("\n")).toHaveLength(count + 1);
});
