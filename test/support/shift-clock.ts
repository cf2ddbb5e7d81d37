import { vi } from "vitest";

/**
 * Sets the clock of this process, and of nobody else, ahead by so much; until the test's mocks and stubs are undone.
 * Answers the clock that it was.
 */
export function shiftClock(byMs: number): () => number {
  const Real = Date;
  class Shifted extends Real {
    constructor(...parts: unknown[]) {
      if (parts.length === 0) super(Real.now() + byMs);
      else super(...(parts as [number]));
    }

    static override now(): number {
      return Real.now() + byMs;
    }
  }
  vi.stubGlobal("Date", Shifted);
  return () => Real.now();
}
