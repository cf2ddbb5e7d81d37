import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import type { StreamLag } from "../../src/jetstream/streams/lag.ts";
import { drawUp } from "../../src/up/up-screen.tsx";

const lag: StreamLag = {
  stream: "ORDERS",
  sampledAt: "2026-03-01T12:01:05.000Z",
  intervalMs: 1000,
  clock: { aheadMs: 0, errorMs: 0 },
  consumers: [],
};

function open(width: number) {
  let shown = "";
  const draw = (text: string) => {
    shown = text;
  };
  const update = drawUp({ draw }, () => ({ colour: true, width, unicode: true }));
  return { update, shown: () => shown };
}

it("keeps the last figures, dimmed, below a line that says since when they are old", () => {
  const { update, shown } = open(80);
  update({ lag });
  expect(shown()).toContain("ORDERS has no consumers");
  update({ stale: "nothing new since 12:01:05, for 3.0 s: the broker is away" });
  expect(shown()).toContain("\u001b[2mORDERS has no consumers\u001b[22m");
  expect(stripVTControlCharacters(shown()).trim()).toMatch(/the broker is away\n\nORDERS has no consumers/);
  update({ stale: undefined });
  expect(shown()).not.toContain("the broker is away");
  expect(shown()).not.toContain("\u001b[2m");
});

it("shows nothing of foreign text that acts on the terminal", () => {
  const { update, shown } = open(80);
  update({ stale: "waits for \u001b]0;title\u0007" });
  expect(shown()).toContain("waits for ?]0;title?");
});

it("wraps what it says, so that nothing of it is lost on a narrow terminal", () => {
  const { update, shown } = open(20);
  update({ stale: "nothing new since 12:01:05, for 3.0 s: the broker is away", lag });
  const lines = stripVTControlCharacters(shown()).trim().split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(20);
  expect(lines.join(" ").replaceAll("  ", " ")).toContain("for 3.0 s: the broker is away");
});
