import { describe, expect, test } from "vitest";
import { createAuditor } from "../../src/orders/audit/auditor.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { ways } from "../orders/order-log.ts";
import { later } from "./audit-log.ts";

const shipped = ways.SHIPPED("o-1");
const refunded = ways.REFUNDED("o-1");
const declined = ways.DECLINED("o-1");

describe("the gateway's books", () => {
  const withGateway = { ...later, withGateway: true };
  type Booked = ["charge" | "refund", string];
  const judged = (log: readonly OrderEvent[], ...booked: Booked[]) => {
    const auditor = createAuditor();
    log.forEach((each, index) => {
      auditor.add(each, index + 1, index);
    });
    for (const [operation, orderId] of booked) auditor.addBooked(operation, orderId);
    return auditor.finish(withGateway).offenders.map(({ rule, orderId, detail }) => [rule, orderId, detail]);
  };

  test("agree with a log of the same charges and refunds", () => {
    expect(judged([...shipped], ["charge", "o-1"])).toEqual([]);
    expect(judged([...refunded], ["charge", "o-1"], ["refund", "o-1"])).toEqual([]);
    expect(judged([...declined])).toEqual([]);
  });

  test.each<{ what: string; log: readonly OrderEvent[]; booked: Booked[]; detail: string }>([
    { what: "a charge too few", log: shipped, booked: [], detail: "paid, and the gateway has no charge" },
    {
      what: "a charge too many",
      log: declined,
      booked: [["charge", "o-1"]],
      detail: "charged, and not paid in the log",
    },
    {
      what: "a refund too few",
      log: refunded,
      booked: [["charge", "o-1"]],
      detail: "refunded, and the gateway has no refund",
    },
    {
      what: "a refund too many",
      log: shipped,
      booked: [
        ["charge", "o-1"],
        ["refund", "o-1"],
      ],
      detail: "repaid, and no refund in the log",
    },
    {
      what: "an order charged twice",
      log: shipped,
      booked: [
        ["charge", "o-1"],
        ["charge", "o-1"],
      ],
      detail: "a second charge",
    },
  ])("show $what", ({ log, booked, detail }) => {
    expect(judged(log, ...booked)).toEqual([["charge_mismatch", "o-1", detail]]);
  });

  test("show money moved for what is no order", () => {
    const detail = "the gateway moved money for an order that is not in the log";
    expect(judged([], ["charge", "x"])).toEqual([["charge_mismatch", "x", detail]]);
  });

  test("are not asked about an order that is under way", () => {
    const [created] = shipped;
    expect(judged(created ? [created] : [], ["charge", "o-1"]).map(([rule]) => rule)).toEqual([
      "not_notified",
    ]);
  });
});
