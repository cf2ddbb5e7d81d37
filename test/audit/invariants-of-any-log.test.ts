import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { finishedLog, ways } from "../orders/order-log.ts";
import { audit } from "./audit-log.ts";

describe("a log of orders that all ended", () => {
  test("passes however the services interleave", () => {
    fc.assert(fc.property(finishedLog, (log) => audit(log).verdict === "PASS"));
  });

  test("fails if any event is missing", () => {
    fc.assert(
      fc.property(finishedLog, fc.nat(), (log, at) => {
        expect(audit(log.toSpliced(at % log.length, 1)).verdict).toBe("FAIL");
      }),
    );
  });

  test("fails if any event is there twice", () => {
    fc.assert(
      fc.property(finishedLog, fc.nat(), fc.nat(), (log, at, to) => {
        const event = log[at % log.length];
        if (event) expect(audit(log.toSpliced(to % log.length, 0, event)).verdict).toBe("FAIL");
      }),
    );
  });

  test("fails if any event is added, for an order in it or another one", () => {
    const strange = fc.oneof(
      ...Object.values(ways).map((way) => fc.constantFrom(...way("order-0"), ...way("other"))),
    );
    fc.assert(
      fc.property(finishedLog, strange, fc.nat(), (log, event, to) => {
        expect(audit(log.toSpliced(to % (log.length + 1), 0, event)).verdict).toBe("FAIL");
      }),
    );
  });
});
