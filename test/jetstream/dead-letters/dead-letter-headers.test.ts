import { describe, expect, it } from "vitest";
import { copyHeaders } from "../../../src/jetstream/client/raw-message.ts";
import { deadLetterHeader, headersForCopy } from "../../../src/jetstream/dead-letters/dead-letter.ts";

describe("headersForCopy", () => {
  it("keeps what is a header, joins repeated ones, and sets aside what anybody would act on", () => {
    const block =
      "NATS/1.0\r\na: 1\r\nNats-Rollup: all\r\nno header\r\nbad name: 2\r\na: 3\r\nb:x\ny\r\n: 4\r\n\r\n";
    expect(headersForCopy(block)).toEqual({ a: "1, 3", "Original-Nats-Rollup": "all", b: "x?y" });
    expect(headersForCopy(`NATS/1.0\r\n${deadLetterHeader}: {}\r\n\r\n`)).toEqual({
      "Original-Orderctl-Dead-Letter": "{}",
    });
    expect(headersForCopy("")).toEqual({});
  });
});

describe("copyHeaders", () => {
  it("takes every name for what it is, renames and leaves out as it is told", () => {
    const block =
      "NATS/1.0\r\nconstructor: 1\r\n__proto__: 2\r\nbad name: 3\r\nout: 4\r\nconstructor: 5\r\n\r\n";
    const copied = copyHeaders(block, (name) => (name === "out" ? undefined : name));
    expect(Object.entries(copied)).toEqual([
      ["constructor", "1, 5"],
      ["__proto__", "2"],
      ["bad name", "3"],
    ]);
  });
});
