import { describe, expect, it } from "vitest";
import type { ChargeRequest, PaymentGateway, RefundRequest } from "../../../src/orders/gateway/gateway.ts";
import { processPayment, refundPayment } from "../../../src/orders/services/payment.ts";
import {
  approved,
  contextOf,
  created,
  declined,
  outOfStock,
  reserved,
} from "../../support/handler-context.ts";

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

const paid = async () => approved;

describe("refundPayment", () => {
  it("gives the whole charge back where stock was short, under a key of its own", async () => {
    const { gateway, refunds } = recordingGateway({ status: "APPROVED", chargeId: "ch_1" });
    const context = contextOf();
    expect(await refundPayment(gateway, paid)(outOfStock, context)).toEqual({
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
    expect(await refundPayment(gateway, paid)(reserved, contextOf())).toBeUndefined();
    expect(refunds).toEqual([]);
  });

  it("throws when the provider is away, so that it is tried again", async () => {
    await expect(refundPayment(outage, paid)(outOfStock, contextOf())).rejects.toThrow("gateway away");
  });

  // A reservation's own charge and amount used to be paid out.
  it.each([
    ["the log has no payment of it", undefined, outOfStock],
    ["its payment was DECLINED", declined, outOfStock],
    ["its reservation names charge ch_2, its payment ch_1", approved, { ...outOfStock, chargeId: "ch_2" }],
  ])("refuses where %s", async (why, payment, reservation) => {
    const { gateway, refunds } = recordingGateway({ status: "APPROVED", chargeId: "ch_1" });
    const refund = refundPayment(gateway, async () => payment)(reservation, contextOf());
    await expect(refund).rejects.toMatchObject({ source: "message", message: expect.stringContaining(why) });
    expect(refunds).toEqual([]);
  });

  it("pays back what was charged, whatever the reservation says of it", async () => {
    const { gateway, refunds } = recordingGateway({ status: "APPROVED", chargeId: "ch_1" });
    const dear = { ...outOfStock, total: { amountMinor: 100_000_000, currency: "EUR" } };
    await refundPayment(gateway, paid)(dear, contextOf());
    expect(refunds).toMatchObject([{ total: approved.total }]);
  });
});
