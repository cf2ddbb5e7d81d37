import { describe, expect, it } from "vitest";
import type { TraceSegment as Segment } from "../../../src/trace/rows.ts";
import { bar } from "../../../src/trace/view/bars.ts";

const style = { colour: false, width: 80, unicode: true };
const scale = { fromMs: 0, totalMs: 80, width: 10 };
const worked = (fromMs: number, toMs: number): Segment => ({ as: "worked", fromMs, toMs });

describe("bar", () => {
  it.each([
    [0, 80, "██████████"],
    [0, 4, "▌         "],
    [0, 17, "██▏       "],
    [12, 24, " ▐█       "],
    [15, 16, " ▕        "],
    [40, 79, "     ████▉"],
  ])("draws work from %d to %d of 80 ms exact to an eighth of a column", (from, to, drawn) => {
    expect(bar([worked(from, to)], scale, style)).toBe(drawn);
  });

  it("shows work however short, at the very end as well", () => {
    expect(bar([worked(0, 0)], scale, style)).toBe("▏         ");
    expect(bar([worked(80, 80)], scale, style)).toBe("         ▕");
  });

  it("tells waiting, work and storing apart by their characters", () => {
    const segments: Segment[] = [
      { as: "waited", fromMs: 0, toMs: 24 },
      worked(24, 44),
      { as: "storing", fromMs: 44, toMs: 80 },
    ];
    expect(bar(segments, scale, style)).toBe("···██▌▒▒▒▒");
    expect(bar(segments, scale, { ...style, unicode: false })).toBe("...###====");
  });

  it("keeps its width and its characters in colour", () => {
    const segments: Segment[] = [{ as: "waited", fromMs: 0, toMs: 40 }, worked(40, 80)];
    const coloured = bar(segments, scale, { ...style, colour: true });
    expect(coloured).toBe("\u001b[2m·····\u001b[22m\u001b[36m█████\u001b[39m");
  });

  it("is empty rather than broken where no time passed", () => {
    expect(bar([{ as: "waited", fromMs: 0, toMs: 0 }], { fromMs: 0, totalMs: 0, width: 10 }, style)).toBe(
      "          ",
    );
  });
});
