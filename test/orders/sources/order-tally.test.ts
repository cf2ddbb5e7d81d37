import { expect, test } from "vitest";
import { OrderTally } from "../../../src/orders/sources/order-assembly.ts";

test("counts the rows of each order, however many and however alike their names are", () => {
  const tally = new OrderTally(1_000_000);
  const names = [
    ...Array.from({ length: 100_000 }, (_, index) => `${536_365 + index}`),
    ...Array.from({ length: 100_000 }, (_, index) => `ORDER-2024-${index.toString(36)}`),
    ...Array.from({ length: 64 }, (_, index) => "a".repeat(index + 1)),
  ];
  for (const name of names) tally.add(name);
  for (const name of names.slice(0, 1000)) tally.add(name);
  const counts = names.map((name) => tally.rowsOf(name));
  expect(counts.slice(0, 1000).every((count) => count === 2)).toBe(true);
  expect(counts.slice(1000).every((count) => count === 1)).toBe(true);
  expect(tally.rowsOf("nobody")).toBe(0);
});
