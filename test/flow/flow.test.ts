import { describe, expect, it } from "vitest";
import { compileFlow, type FlowTable } from "../../src/flow/flow.ts";

const claims: FlowTable = {
  name: "claims",
  stream: "CLAIMS",
  isKey: (text) => /^[a-z]+$/.test(text),
  keyName: "a claim",
  keyForm: "small letters",
  keyField: "claim_id",
  noun: { one: "claim", many: "claims" },
  kinds: {
    opened: { label: "opening", becomes: "open" },
    assessed: {
      label: "assessment",
      becomes: { COVERED: "covered", REFUSED: "refused" },
      refusals: ["REFUSED"],
    },
    copied: { label: "copy" },
    closed: { label: "closing", ends: true, outcomes: { PAID: "good" } },
  },
  sources: ["portal"],
  secondEvent: "a claim is paid twice",
  services: {
    assess: [{ consumer: "assess", on: "opened", emits: ["assessed"] }],
    file: [{ consumer: "file-copies", on: "assessed", emits: ["copied"] }],
    close: [
      { consumer: "close-covered", on: "assessed", when: "COVERED", emits: ["closed"] },
      { consumer: "close-refused", on: "assessed", when: "REFUSED", emits: ["closed"] },
    ],
  },
};

const withService = (own: FlowTable["services"][string]) => ({
  ...claims,
  services: { ...claims.services, more: own },
});

describe("a flow", () => {
  const flow = compileFlow(claims);

  it("knows its subjects, and no others", () => {
    expect(flow.subjectOf("opened", "a")).toBe("CLAIMS.opened.a");
    expect(flow.templateOf("opened")).toBe("CLAIMS.opened.{claim_id}");
    expect(flow.parseSubject("CLAIMS.opened.a")).toEqual({ kind: "opened", key: "a" });
    for (const subject of [
      "CLAIMS.opened.A",
      "CLAIMS.paid.a",
      "CLAIM.opened.a",
      "CLAIMSS.opened.a",
      "opened.a",
      "",
    ])
      expect(flow.parseSubject(subject), subject).toBeUndefined();
  });

  it("has derived what follows from what, and who does it", () => {
    expect(flow.causesOf("closed")).toEqual(["assessed"]);
    expect(flow.causesOf("opened")).toEqual([]);
    expect(flow.storedBy("opened")).toEqual(["portal"]);
    expect(flow.storedBy("closed")).toEqual(["close"]);
    expect(flow.consumerBetween("close", "assessed", "closed")).toBe("close-covered");
    expect([flow.firstKind, flow.endings]).toEqual(["opened", ["closed"]]);
    expect(flow.endsWith("closed", undefined)).toBe(true);
    expect(flow.endsWith("assessed", "REFUSED")).toBe(false);
  });

  it("ends with some statuses of a kind, and goes on with the others", () => {
    const { close: _, ...services } = claims.services;
    const kinds = { ...claims.kinds, assessed: { ...claims.kinds.assessed, label: "x", ends: ["REFUSED"] } };
    const close = [{ consumer: "close", on: "assessed", when: "COVERED", emits: ["copied", "closed"] }];
    const other = compileFlow({ ...claims, kinds, services: { ...services, close } });
    expect(other.endings).toEqual(["assessed", "closed"]);
    expect([other.endsWith("assessed", "REFUSED"), other.endsWith("assessed", "COVERED")]).toEqual([
      true,
      false,
    ]);
    expect(other.nextAfter("assessed", "COVERED")?.emits).toEqual(["copied", "closed"]);
    expect(other.causesOf("copied")).toEqual(["assessed"]);
  });

  it("waits for what leads on, not for what is done beside", () => {
    expect(flow.nextAfter("opened", undefined)?.service).toBe("assess");
    expect(flow.nextAfter("assessed", "REFUSED")?.consumer).toBe("close-refused");
    expect(flow.nextAfter("copied", undefined)).toBeUndefined();
    expect(flow.stateAfter("assessed", "REFUSED")).toBe("refused");
    expect(flow.stateAfter("copied", undefined)).toBeUndefined();
  });
});

describe("a table that contradicts itself is refused", () => {
  it.each<[string, FlowTable, string]>([
    [
      "goes in a circle",
      withService([{ consumer: "x", on: "assessed", emits: ["opened"] }]),
      "stands before it",
    ],
    [
      "has a kind that is none",
      withService([{ consumer: "x", on: "opened", emits: ["paid"] }]),
      "no kinds of the flow",
    ],
    [
      "waits for a status that is none",
      withService([{ consumer: "x", on: "assessed", when: "HELD", emits: ["closed"] }]),
      "assessed has no such status",
    ],
    [
      "has a consumer twice",
      withService([{ consumer: "assess", on: "opened", emits: ["closed"] }]),
      "two consumers assess",
    ],
    [
      "never ends",
      { ...claims, kinds: { ...claims.kinds, closed: { label: "closing" } } },
      "no kind of event ends",
    ],
  ])("that %s", (_, table, why) => {
    expect(() => compileFlow(table)).toThrow(why);
  });
});
