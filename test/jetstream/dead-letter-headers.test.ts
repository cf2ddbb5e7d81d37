import { describe, expect, it } from "vitest";
import { deadLetterHeader, headersForCopy } from "../../src/jetstream/dead-letter.ts";

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
