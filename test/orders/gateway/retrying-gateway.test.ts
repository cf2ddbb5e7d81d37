import { expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import type { ChargeRequest, PaymentGateway } from "../../../src/orders/gateway/gateway.ts";
import { createRetryingGateway } from "../../../src/orders/gateway/retrying-gateway.ts";

const retries = { attempts: 3, backoffMs: 1 };
const approved = { status: "APPROVED", chargeId: "ch_1" } as const;
const refunded = { refundId: "re_1" };
const outage = new OrderctlError("unavailable", "out of order");

/** A gateway whose first `failures` calls fail; a call is watched by what is returned beside it. */
function failing(failures: number, signal = new AbortController().signal) {
  let calls = 0;
  const answer = async <T>(value: T): Promise<T> => {
    calls += 1;
    if (calls <= failures) throw outage;
    return value;
  };
  const gateway: PaymentGateway = { charge: () => answer(approved), refund: () => answer(refunded) };
  const watched: string[] = [];
  const request: ChargeRequest & { chargeId: string } = {
    orderId: "o-1",
    chargeId: "ch_1",
    total: { amountMinor: 1, currency: "GBP" },
    idempotencyKey: "o-1",
    signal,
    watch: (operation, attempt) => ({
      end: (error) => void watched.push(`${operation} ${attempt} ${error?.code ?? "ok"}`),
    }),
  };
  return { patient: createRetryingGateway(gateway, retries), request, watched };
}

it("calls again where a call failed, and each call is watched", async () => {
  const { patient, request, watched } = failing(2);
  expect(await patient.charge(request)).toEqual(approved);
  expect(watched).toEqual(["charge 1 unavailable", "charge 2 unavailable", "charge 3 ok"]);
});

it("refunds with the same patience", async () => {
  const { patient, request, watched } = failing(1);
  expect(await patient.refund(request)).toEqual(refunded);
  expect(watched).toEqual(["refund 1 unavailable", "refund 2 ok"]);
});

it("rejects with the last call's error when there are no more", async () => {
  const { patient, request, watched } = failing(3);
  await expect(patient.charge(request)).rejects.toBe(outage);
  expect(watched).toHaveLength(3);
});

it("does not call again once its signal has aborted", async () => {
  const controller = new AbortController();
  const { patient, request, watched } = failing(3, controller.signal);
  controller.abort();
  await expect(patient.charge(request)).rejects.toBeDefined();
  expect(watched.length).toBeLessThan(3);
});
