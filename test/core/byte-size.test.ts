import { expect, it } from "vitest";
import { parseBytes } from "../../src/core/units.ts";

it.each([
  ["1GiB", 1_073_741_824],
  ["500MB", 500_000_000],
  ["1.5 MiB", 1_572_864],
  ["64KB", 64_000],
  ["4096", 4096],
  ["12B", 12],
])("reads %s", (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

it.each(["", "GiB", "-1MB", "1 XB", "1e9", "1iB", "9999999TiB"])("does not read %j", (text) => {
  expect(parseBytes(text)).toBeUndefined();
});
