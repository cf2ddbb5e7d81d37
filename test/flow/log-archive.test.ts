import { describe, expect, it } from "vitest";
import { buildLogArchive, heldBackText } from "../../src/flow/log-archive.ts";
import type { ProcessStatus } from "../../src/flow/process-status.ts";
import { archiveState, archiving } from "../support/archive-state.ts";

const cost = { events: 12, bytes: 3000, ramBytes: 6240, ramBytesPerS: null, full: null };
const sampledAt = "2026-03-01T12:00:00.000Z";
const build = (...processes: ProcessStatus[]) => buildLogArchive("ORDERS", processes, { sampledAt, cost });

const problem = (text: string, consumer = "archive") => ({ consumer, text, forMs: 10 });

describe("who archives a log", () => {
  it("is nobody where no process says so, and none that archives another log", () => {
    expect(build()).toEqual({ sampledAt, archiver: null, problems: [], cost });
    const other = archiving({ ...archiveState, stream: "PARCELS" }, { problems: [problem("store is full")] });
    expect(build(archiving(null), other)).toMatchObject({ archiver: null, problems: [] });
  });

  it("is the one that is furthest, with the problems of all of them", () => {
    const one = archiving({ ...archiveState, movedTo: null }, { instance: "one" });
    const two = archiving(archiveState, { instance: "two", problems: [problem("a"), problem("b", "c")] });
    expect(build(one, two)).toMatchObject({
      archiver: { instance: "two", movedTo: 1_234_567 },
      problems: ["two: a"],
    });
    expect(build(two)).toMatchObject({ problems: ["a"] });
  });

  it("has no problem beside the consumer that holds it back", () => {
    const heldBack = { consumer: "foo", since: "2026-03-01T10:12:00.000000Z", sequence: 7 };
    const problems = [problem(heldBackText(heldBack)), problem("store is full")];
    const { archiver, problems: told } = build(archiving({ ...archiveState, heldBack }, { problems }));
    expect(archiver?.heldBack).toEqual(heldBack);
    expect(told).toEqual(["store is full"]);
  });

  it("does not fill the screen with what a stranger answers", () => {
    const problems = Array.from({ length: 100 }, () => problem("x".repeat(5000)));
    const { problems: told } = build(archiving(archiveState, { problems }));
    expect(told.map(({ length }) => length)).toEqual([300, 300, 300, 300, 300]);
  });
});
