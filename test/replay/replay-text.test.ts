import { expect, it } from "vitest";
import { replayProgressText } from "../../src/replay/replay-text.ts";

const state = { read: 4000, total: 10_000, elapsedS: 2, waitMs: 0 };

it("tells how far a replay is, how fast, and how long it will take", () => {
  expect(replayProgressText(state)).toBe("4,000 of 10,000 messages, 2,000/s, 3.0 s left");
});

it("tells of a long gap before the next message", () => {
  expect(replayProgressText({ ...state, waitMs: 12_000 })).toBe(
    "4,000 of 10,000 messages, 2,000/s; the next one in 12.0 s",
  );
  expect(replayProgressText({ ...state, waitMs: 200 })).not.toContain("next");
});

it("promises nothing before the first message, and never reads more than there is", () => {
  expect(replayProgressText({ ...state, read: 0, elapsedS: 0 })).toBe("0 of 10,000 messages, 0/s");
  expect(replayProgressText({ ...state, read: 10_002 })).toContain("10,002 of 10,002 messages");
});
