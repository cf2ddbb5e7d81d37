import { beforeAll, describe, expect, it } from "vitest";
import claims from "../../../fixtures/flows/claims/claims.ts";
import type { Auditor, FlowAudit } from "../../../src/flow/audit-contract.ts";
import { compileDefinedFlow } from "../../../src/flow/define/compile-flow.ts";
import type { DefinedFlow } from "../../../src/flow/define/define-flow.ts";

let audit: FlowAudit;

beforeAll(async () => {
  audit = (await compileDefinedFlow(claims as unknown as DefinedFlow)).flow.audit;
});

/** `kind` or `kind STATUS` of a key, at a minute. */
type Step = [step: string, key: string, minute?: number];

let sequence = 0;
const give = (auditor: Auditor, ...steps: Step[]): Auditor => {
  for (const [step, key, minute = 0] of steps) {
    const [kind = "", verdict] = step.split(" ");
    sequence += 1;
    auditor.add({ kind, key, data: { claimId: key, verdict } } as never, sequence, minute * 60_000);
  }
  return auditor;
};

const covered = (key: string, minute = 0): Step[] => [
  ["opened", key, minute],
  ["assessed COVERED", key, minute],
  ["paid", key, minute],
  ["closed", key, minute],
];
const refused = (key: string): Step[] => [
  ["opened", key],
  ["assessed REFUSED", key],
];

const judge = (auditor: Auditor, minute = 10) => auditor.finish({ nowMs: minute * 60_000, graceMs: 60_000 });
const of = (...steps: Step[]) => judge(give(audit.open(), ...steps));
const broken = ({ violations }: ReturnType<typeof of>) =>
  Object.fromEntries(Object.entries(violations).filter(([, count]) => count > 0));

describe("the audit of a defined flow", () => {
  it("passes what went its way", () => {
    const report = of(...covered("a"), ...refused("b"), ["opened", "c", 9.5]);
    expect(report).toMatchObject({
      verdict: "PASS",
      orders: 3,
      ended: 2,
      underWay: 1,
      events: 7,
      outcomes: { CLOSED: 1, REFUSED: 1 },
    });
  });

  it("has a rule for each promise, in words", () => {
    expect(audit.rules.map(({ promise }) => promise)).toEqual([
      "everything that began has ended",
      "no event of a kind twice for one claim",
      "no event without its cause",
      "every assessed COVERED ends in closed within 3600 s",
      "no paid without assessed COVERED",
      "every message is a valid event",
    ]);
  });

  it("finds what has not ended, who has to act, and why that one gave up", () => {
    const auditor = give(audit.open(), ["opened", "a"], ["assessed COVERED", "a"]);
    const report = auditor.finish({
      nowMs: 600_000,
      graceMs: 60_000,
      givenUp: new Map([["a", "bank is away"]]),
    });
    expect(report.offenders).toMatchObject([
      {
        rule: "not_ended",
        orderId: "a",
        detail: "assessed COVERED, and waiting for claims_payout: bank is away",
      },
    ]);
  });

  it("finds what came twice, and what came without its cause", () => {
    expect(broken(of(...covered("a"), ["paid", "a"]))).toEqual({ duplicate_event: 1 });
    expect(broken(of(...covered("a"), ["opened", "a"]))).toEqual({ duplicate_event: 1 });
    expect(broken(of(["closed", "a"]))).toEqual({ missing_cause: 1 });
    expect(broken(of(...refused("a"), ["paid", "a"], ["closed", "a"]))).toEqual({
      missing_cause: 1,
      no_paid_without_assessed_covered: 1,
    });
  });

  it("finds a promise that was kept too late, or not at all", () => {
    const late = of(["opened", "a"], ["assessed COVERED", "a"], ["paid", "a"], ["closed", "a", 61]);
    expect(late.offenders).toMatchObject([
      { rule: "every_assessed_covered_ends_in_closed", detail: "closed came after 3660 s" },
    ]);
    const never = judge(give(audit.open(), ["opened", "a"], ["assessed COVERED", "a"]), 70);
    expect(broken(never)).toEqual({ not_ended: 1, every_assessed_covered_ends_in_closed: 1 });
  });

  it("finds what is no event", () => {
    const auditor = audit.open();
    auditor.addUnreadable("CLAIMS.opened.a", "it is not", 7);
    expect(judge(auditor).offenders).toMatchObject([
      { rule: "unreadable", orderId: "a", sequence: 7, detail: "it is not" },
    ]);
  });
});

describe("its state", () => {
  it.each([1, 2, 3, 4, 5, 6])("handed over after %d events, it finds the same in the end", (count) => {
    const steps = [
      ...covered("a").slice(0, 2),
      ["opened", "b"],
      ...covered("a").slice(2),
      ["assessed REFUSED", "b"],
      ["paid", "b"],
    ] as Step[];
    const first = give(audit.open(), ...steps.slice(0, count));
    const other = judge(give(audit.open(first.state()), ...steps.slice(count)));
    const whole = of(...steps);
    expect({ ...other, offenders: [] }).toEqual({ ...whole, offenders: [] });
  });

  it("forgets what has ended, and takes what begins again for a repeat only where nothing follows", () => {
    const first = give(audit.open(), ...covered("a"), ...covered("b"));
    const state = first.state();
    const other = give(audit.open(state), ["opened", "a"], ...covered("b"), ["opened", "c"]);
    expect(new Set(other.maybeRepeated())).toEqual(new Set(["a", "b", "c"]));
    other.addRepeats(new Set(["a", "b"]));
    const report = judge(other);
    expect(report).toMatchObject({ orders: 3, repeats: 1 });
    expect(broken(report)).toEqual({ duplicate_event: 1, not_ended: 1 });
    expect(report.offenders[0]?.detail).toBe(
      "it had ended, began again, and had a second event of kind assessed, paid, closed",
    );
  });

  it("is small where all has ended, however much that was", () => {
    const many = Array.from({ length: 5000 }, (_, n) => covered(`k-${n}`)).flat();
    expect(give(audit.open(), ...many).state().length).toBeLessThan(500);
  });

  it("judges from a moment on what began behind it", () => {
    const auditor = give(audit.open(), ["opened", "a"], ["opened", "b"], ["assessed COVERED", "b"]);
    auditor.judgeFromHere();
    give(auditor, ...covered("c", 5), ["assessed REFUSED", "a"]);
    expect(judge(auditor)).toMatchObject({ verdict: "PASS", orders: 1, events: 5, outcomes: { CLOSED: 1 } });
  });

  it.each([new Uint8Array([1, 2, 3]), Buffer.from("{}")])("is refused when it is damaged", (bytes) => {
    expect(() => audit.open(bytes)).toThrow(
      expect.objectContaining({ code: "unavailable", source: "store" }),
    );
  });
});
