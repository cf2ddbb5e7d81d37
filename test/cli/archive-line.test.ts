import { describe, expect, it } from "vitest";
import { archiveLine } from "../../src/cli/archive-line.ts";
import type { ArchiveState, LogArchive } from "../../src/flow/log-archive.ts";
import type { LogCost } from "../../src/flow/log-cost.ts";
import { archiveState } from "../support/archive-state.ts";

const cost: LogCost = {
  events: 4_100_000,
  bytes: 1e9,
  ramBytes: 2.132e9,
  ramBytesPerS: null,
  full: null,
};

const archived = (change: Partial<ArchiveState> = {}, problems: string[] = []): LogArchive => ({
  sampledAt: "2026-03-01T11:00:00.000Z",
  archiver: { ...archiveState, ...change, instance: "keeper" },
  problems,
  cost,
});
const unarchived = (change: Partial<LogCost> = {}): LogArchive => ({
  ...archived(),
  archiver: null,
  cost: { ...cost, ...change },
});

const line = (archive: LogArchive | null, width = 200, colour = false) =>
  archiveLine(archive, { aheadMs: 0, errorMs: 0 }, { colour, width, unicode: true });

/** 10:12 UTC as the wall here has it. */
const since = "2026-03-01T10:12:00.000000Z";
const heldBack = { consumer: "foo", since, sequence: 1_234_568 };
const localTime = new Date(since).toTimeString().slice(0, 8);

describe("the line of the archive", () => {
  it("tells how far the log is archived, where, and what is to go", () => {
    expect(line(archived())).toBe(
      "archive: up to message 1,234,567 (2m05s ago), 25 segments, 1.2 GB in file:///var/lib/orders",
    );
    expect(line(archived({ behind: 12_345 }))).toMatch(
      / in file:\/\/\/var\/lib\/orders; 12,345 events to go$/,
    );
    expect(line(archived({ segments: 1, behind: 1 }))).toMatch(/, 1 segment, .*; 1 event to go$/);
  });

  it("tells of an archive that has just begun", () => {
    const nothing = { movedTo: 0, movedToUs: null, segments: 0, bytes: 0 };
    expect(line(archived(nothing))).toBe("archive: nothing yet, in file:///var/lib/orders");
    const unknown = { movedTo: null, segments: null, bytes: null, behind: null, lagMs: null };
    expect(line(archived(unknown))).toBe("archive: beginning, in file:///var/lib/orders");
  });

  it("says first who holds it back, and since when by the clock on this wall", () => {
    expect(line(archived({ heldBack, behind: 12_345, lagMs: 3e6 }))).toMatch(
      new RegExp(`^archive: held back by consumer foo since ${localTime}; up to message 1,234,567 .* to go$`),
    );
  });

  it("says first what keeps the archiver from its work, and that it is late where nothing tells why", () => {
    expect(line(archived({ lagMs: 3e6 }, ["cannot write", "cannot read"]))).toMatch(
      /^archive: cannot write; cannot read; up to message/,
    );
    expect(line(archived({ lagMs: 700_000 }))).toMatch(/^archive: late by 11m40s; up to message/);
    expect(line(archived({ lagMs: 60_000 }))).toMatch(/^archive: up to message/);
  });

  it("tells what a log costs that nobody archives, how fast that grows, and when a limit ends it", () => {
    expect(line(unarchived())).toBe(
      "nobody archives the log: 4,100,000 events, ~2.1 GB of the broker's RAM: orderctl serve archive",
    );
    const growing = { ramBytesPerS: 26e6 };
    expect(line(unarchived(growing))).toContain("RAM, +26 MB/s: orderctl serve archive");
    expect(line(unarchived({ ...growing, full: { limit: "max_bytes", inS: 7500 } }))).toContain(
      "+26 MB/s, its max_bytes reached in 2h05m: orderctl",
    );
    expect(line(unarchived({ ...growing, full: { limit: "account", inS: 59 } }))).toContain(
      "the account's storage full in 59.0 s: orderctl",
    );
    expect(line(unarchived({ events: 1, ramBytes: 520, ramBytesPerS: -1 }))).toBe(
      "nobody archives the log: 1 event, ~520 B of the broker's RAM: orderctl serve archive",
    );
  });

  it("says nothing where there is nothing to archive, or nothing is known", () => {
    expect(line(unarchived({ events: 0, ramBytes: 0 }))).toBe("");
    expect(line(null)).toBe("");
  });

  it.each([60, 80, 140])("fits %i columns", (width) => {
    for (const archive of [archived({ heldBack, behind: 12_345 }), unarchived({ ramBytesPerS: 26e6 })]) {
      const lines = line(archive, width).split("\n");
      expect(lines.filter(({ length }) => length > width)).toEqual([]);
      expect(lines.join(" ")).toBe(line(archive));
    }
  });

  it("marks what is wrong by colour beside the words, each line for itself, and else nothing", () => {
    const yellow = "\u001b[33m";
    const marked = (archive: LogArchive) =>
      line(archive, 60, true)
        .split("\n")
        .map((each) => each.startsWith(yellow));
    expect(marked(archived({ heldBack }))).toEqual([true, true, true]);
    expect(marked(unarchived())).toEqual([true, true]);
    expect(marked(unarchived({ events: 900_000 }))).toEqual([false, false]);
    expect(line(archived(), 200, true)).toBe(line(archived()));
  });
});
