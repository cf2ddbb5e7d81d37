import { expect, it } from "vitest";
import type { TopologyReport } from "../../src/topology/command.ts";
import { topologyTable } from "../../src/topology/topology-table.ts";

const plain = { colour: false, width: 100, unicode: true };

type Drift = TopologyReport["drifts"][number];

const lineOf = (drift: Pick<Drift, "setting" | "wanted" | "actual">): string | undefined => {
  const drifts: Drift[] = [{ kind: "consumer", name: "reader", isKnown: true, leadsTo: null, ...drift }];
  const done = { created: [], fixed: [], remade: [], refusals: [], leftAlone: null };
  return topologyTable({ streams: 1, consumers: 1, ...done, drifts }, plain)
    .split("\n")
    .at(-1);
};

it("tells times in units, as exactly as tells them apart", () => {
  const wanted = 30e9;
  expect(lineOf({ setting: "ack_wait", wanted, actual: 5e9 })).toBe(
    "  consumer reader: ack_wait is 5.0 s, wanted 30.0 s; left as it is",
  );
  expect(lineOf({ setting: "ack_wait", wanted, actual: 30.04e9 })).toBe(
    "  consumer reader: ack_wait is 30.04 s, wanted 30 s; left as it is",
  );
});
