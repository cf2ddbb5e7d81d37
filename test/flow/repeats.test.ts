import { describe, expect, it } from "vitest";
import type { ArchivedKeys } from "../../src/flow/archived-log.ts";
import { refuseRepeat } from "../../src/flow/repeats.ts";
import { contextOf } from "../support/handler-context.ts";

const keysOf = (first: Record<string, number>, isCertain = () => true): ArchivedKeys => ({
  isCertain,
  isRead: () => true,
  findFirst: (key) =>
    key in first ? Promise.resolve({ sequence: first[key] ?? 0, payload: undefined }) : undefined,
  problems: () => [],
  stop: () => {},
});

describe("refuseRepeat", () => {
  it("lets a key that is not archived pass at once", () => {
    expect(refuseRepeat(keysOf({}), "o-1", contextOf(7))).toBeUndefined();
  });

  it("refuses a first event that is later than the archived one", async () => {
    await expect(refuseRepeat(keysOf({ "o-1": 3 }), "o-1", contextOf(7))).rejects.toMatchObject({
      code: "repeat",
      source: "message",
      message: "repeat of an archived order, which began as message 3",
    });
  });

  it("lets the archived event itself pass, as a redrive hands it over", async () => {
    await expect(refuseRepeat(keysOf({ "o-1": 7 }), "o-1", contextOf(7))).resolves.toBeUndefined();
  });

  it("waits while the keys are not certain, looks up then, and tells how long it was held", async () => {
    let isCertain = false;
    const first: Record<string, number> = {};
    const holds: string[] = [];
    const context = {
      ...contextOf(7),
      watchHold(by: string) {
        holds.push(by);
        return () => void holds.push("over");
      },
    };
    const checking = refuseRepeat(
      keysOf(first, () => isCertain),
      "o-1",
      context,
    );
    expect(holds).toEqual(["archive"]);
    first["o-1"] = 3;
    isCertain = true;
    await expect(checking).rejects.toMatchObject({ code: "repeat" });
    expect(holds).toEqual(["archive", "over"]);
  });

  it("ends its wait when the worker stops", async () => {
    const stopping = new AbortController();
    const context = { ...contextOf(7), signal: stopping.signal };
    const checking = refuseRepeat(
      keysOf({}, () => false),
      "o-1",
      context,
    );
    stopping.abort(new Error("stopping"));
    await expect(checking).rejects.toThrow("stopping");
  });
});
