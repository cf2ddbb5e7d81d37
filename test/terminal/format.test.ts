import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatGrowth,
  formatRate,
} from "../../src/terminal/format.ts";

describe("formatDuration", () => {
  it.each([
    [null, "-"],
    [0, "0 s"],
    [0.0004, "0 µs"],
    [0.95, "950 µs"],
    [0.9994, "999 µs"],
    [0.9995, "1.0 ms"],
    [12.34, "12.3 ms"],
    [99.94, "99.9 ms"],
    [99.95, "100 ms"],
    [999.4, "999 ms"],
    [999.5, "1.0 s"],
    [3200, "3.2 s"],
    [59_940, "59.9 s"],
    [59_950, "1m00s"],
    [250_000, "4m10s"],
    [3_599_600, "1h00m"],
    [7_500_000, "2h05m"],
    [86_399_600, "1d00h"],
    [273_600_000, "3d04h"],
  ])("shows %s ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe("formatCount", () => {
  it.each([
    [null, "-"],
    [0, "0"],
    [999, "999"],
    [12_345, "12,345"],
    [1_234_567.6, "1,234,568"],
  ])("shows %s as %s", (value, text) => {
    expect(formatCount(value)).toBe(text);
  });
});

describe("formatRate", () => {
  it.each([
    [null, "-"],
    [0, "0/s"],
    [3.44, "3.4/s"],
    [9.94, "9.9/s"],
    [9.95, "10/s"],
    [1250.4, "1,250/s"],
  ])("shows %s per second as %s", (perSecond, text) => {
    expect(formatRate(perSecond)).toBe(text);
  });
});

describe("formatBytes", () => {
  it.each([
    [null, "-"],
    [0, "0 B"],
    [999.4, "999 B"],
    [999.5, "1.0 kB"],
    [1949, "1.9 kB"],
    [26_400_000, "26 MB"],
    [999_600_000, "1.0 GB"],
    [1.2e15, "1,200 TB"],
  ])("shows %s as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("formatGrowth", () => {
  it.each([
    [26e6, "+26 MB/s"],
    [1e6, "+1.0 MB/s"],
    [0.9e6, "+3.2 GB/h"],
    [300, "+1.1 MB/h"],
    [100, "+8.6 MB/day"],
    [0.1, "+8.6 kB/day"],
  ])("shows %s B/s as %s", (bytesPerS, text) => {
    expect(formatGrowth(bytesPerS)).toBe(text);
  });
});
