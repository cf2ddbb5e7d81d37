import { expect, test } from "vitest";
import { parseDateUs } from "../../../src/orders/sources/date-text.ts";

test.each([
  ["12/1/10 8:26", "2010-12-01T08:26:00.000Z"],
  ["3/31/2024 23:59:59", "2024-03-31T23:59:59.000Z"],
  ["3/31/24", "2024-03-31T00:00:00.000Z"],
  ["2010-12-01", "2010-12-01T00:00:00.000Z"],
  ["2010-12-01 08:26:00", "2010-12-01T08:26:00.000Z"],
  ["2010-12-01T08:26:00.25+02:00", "2010-12-01T06:26:00.250Z"],
])("%s is %s", (text, iso) => {
  expect(parseDateUs(text)).toBe(Date.parse(iso) * 1000);
});

test.each([
  "",
  "yesterday",
  "31/12/10 8:26",
  "2/30/24",
  "12/1/10 25:00",
  "2010-13-01",
  "1/1/1969",
  "12.1.2010",
])("%j is no date", (text) => {
  expect(parseDateUs(text)).toBeNull();
});
