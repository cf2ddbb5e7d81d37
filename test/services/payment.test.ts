import { describe, expect, it } from "vitest";
import type { ChargeRequest, PaymentGateway, RefundRequest } from "../../src/gateway/gateway.ts";
import { processPayment, refundPayment } from "../../src/services/payment.ts";
import { approved, contextOf, created, declined, outOfStock, reserved } from "./handler-context.ts";

/** A provider that keeps what it was asked. */
function recordingGateway(charge: Awaited<ReturnType<PaymentGateway["charge"]>>) {
  const charges: ChargeRequest[] = [];
  const refunds: RefundRequest[] = [];
  const gateway: PaymentGateway = {
    async charge(request) {
      charges.push(request);
      return charge;
    },
    async refund(request) {
      refunds.push(request);
      return { refundId: "re_1" };
    },
  };
  return { gateway, charges, refunds };
}

const outage: PaymentGateway = {
  charge: () => Promise.reject(new Error("gateway away")),
  refund: () => Promise.reject(new Error("gateway away")),
};

describe("processPayment", () => {
  it("charges the total with the order id as key, and carries the lines on", async () => {
    const { gateway, charges } = recordingGateway({ status: "APPROVED", chargeId: "ch_1" });
    const context = contextOf();
    expect(await processPayment(gateway)(created, context)).toEqual(approved);
    expect(charges).toMatchObject([
      { orderId: "o-1", total: created.total, idempotencyKey: "o-1", signal: context.signal },
    ]);
  });

  it("takes a refusal of the provider for an outcome", async () => {
    const { gateway } = recordingGateway({ status: "DECLINED", reason: "insufficient_funds" });
    expect(await processPayment(gateway)(created, contextOf())).toEqual(declined);
  });

  it("throws when the provider is away, so that it is tried again", async () => {
    await expect(processPayment(outage)(created, contextOf())).rejects.toThrow("gateway away");
  });
});

describe("refundPayment", () => {
  it("gives the whole charge back where stock was short, under a key of its own", async () => {
    const { gateway, refunds } = recordingGateway({ status: "APPROVED", chargeId: "ch_1" });
    const context = contextOf();
    expect(await refundPayment(gateway)(outOfStock, context)).toEqual({
      kind: "refunds",
      orderId: "o-1",
      chargeId: "ch_1",
      refundId: "re_1",
      total: outOfStock.total,
      reason: "out_of_stock",
    });
    expect(refunds).toMatchObject([
      { chargeId: "ch_1", total: outOfStock.total, idempotencyKey: "refund_o-1", signal: context.signal },
    ]);
  });

  it("moves no money for an order whose stock is reserved", async () => {
    const { gateway, refunds } = recordingGateway({ status: "APPROVED", chargeId: "ch_1" });
    expect(await refundPayment(gateway)(reserved, contextOf())).toBeUndefined();
    expect(refunds).toEqual([]);
  });

  it("throws when the provider is away, so that it is tried again", async () => {
    await expect(refundPayment(outage)(outOfStock, contextOf())).rejects.toThrow("gateway away");
  });
});
