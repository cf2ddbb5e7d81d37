import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settleClocks, spanBounds } from "../../../src/telemetry/tracing/span-clocks.ts";
import { buildSpanTree } from "../../../src/telemetry/tracing/span-tree.ts";
import { sinceStart } from "../../support/logged-order.ts";
import { span } from "../../trace/traced-order.ts";

const at = (clock: string, atNs: number) => ({ clock, atNs });
const shifts = (...args: Parameters<typeof settleClocks>) =>
  Object.fromEntries([...settleClocks(...args)].map(([clock, { shiftNs }]) => [clock, shiftNs]));

describe("settleClocks", () => {
  it("leaves clocks alone that contradict nothing", () => {
    expect(shifts([{ earlier: at("broker", 5), later: at("a", 9) }], "broker")).toEqual({ broker: 0, a: 0 });
  });

  it("moves a clock no further than it must, also by way of another", () => {
    const bounds = [
      { earlier: at("broker", 100), later: at("a", 40) },
      { earlier: at("a", 50), later: at("b", 0) },
    ];
    expect(shifts(bounds, "broker")).toEqual({ broker: 0, a: 60, b: 110 });
  });

  it("says so where no shift would do, and leaves that clock as it is", () => {
    const bounds = [
      { earlier: at("broker", 100), later: at("a", 40) },
      { earlier: at("a", 150), later: at("broker", 160) },
    ];
    expect(settleClocks(bounds, "broker").get("a")).toEqual({ shiftNs: 0, contradictory: true });
  });

  it("undoes whatever shift was put on a process, to what the bounds allow", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), (skew) => {
        const bounds = [
          { earlier: at("broker", 1000), later: at("a", 1200 + skew) },
          { earlier: at("a", 1800 + skew), later: at("broker", 2000) },
        ];
        const shift = shifts(bounds, "broker").a ?? Number.NaN;
        expect(Math.abs(skew + shift)).toBeLessThanOrEqual(Math.max(200, 0));
      }),
    );
  });
});

describe("spanBounds", () => {
  const process = (name: string) => ({ resource: { "service.instance.id": name } });

  it("keeps a server within the call it answers, by moving its clock", () => {
    const nodes = buildSpanTree([
      span({ name: "call", kind: "CLIENT", from: 0, to: 100, spanId: "1", ...process("a") }),
      span({
        name: "answer",
        kind: "SERVER",
        from: 5000,
        to: 5050,
        spanId: "2",
        parentSpanId: "1",
        ...process("b"),
      }),
    ]);
    const zeroNs = BigInt(sinceStart(0)) * 1000n;
    expect(shifts(spanBounds(nodes, zeroNs), "a")).toEqual({ a: 0, b: -4_950_000 });
  });

  it("has nothing to say about spans of one process", () => {
    const nodes = buildSpanTree([
      span({ name: "a", from: 0, to: 100, spanId: "1", ...process("a") }),
      span({ name: "b", from: -50, to: 100, spanId: "2", parentSpanId: "1", ...process("a") }),
    ]);
    expect(spanBounds(nodes, 0n)).toEqual([]);
  });
});
