import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { jsonPayload } from "../../../src/flow/define/json-payload.ts";
import { loadProto } from "../../../src/flow/define/load-proto.ts";
import { protoPayload } from "../../../src/flow/define/proto-payload.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const source = `syntax = "proto3";
package t;
enum Colour { COLOUR_UNSPECIFIED = 0; RED = 1; BLUE = 5; }
message Part { string name = 1; repeated Part parts = 2; }
message Thing {
  string thing_id = 1; int64 big = 2; uint32 small = 3; Colour colour = 4; repeated Colour more = 5;
  Part part = 6; map<string, int32> counts = 7; bytes raw = 8; double weight = 9; bool is_new = 10;
  optional string note = 11; oneof choice { string left = 12; int64 right = 13; }
  map<int32, int32> numbered = 14;
}`;
const type = protobuf.parse(source).root.resolveAll().lookupType("t.Thing");
const payload = protoPayload(type);
const written = (fields: object) => type.encode(type.fromObject(fields)).finish();

const thing = {
  thingId: "a",
  big: 2 ** 53 - 1,
  small: 7,
  colour: "BLUE",
  more: ["RED"],
  part: { name: "p", parts: [{ name: "q", parts: [] }] },
  counts: { x: -1 },
  raw: new Uint8Array([1, 2]),
  weight: 1.5,
  isNew: true,
  note: "n",
  right: 3,
  numbered: { 7: 1 },
};

describe("a protobuf payload", () => {
  it("comes back as it was given", () => {
    const { raw, ...rest } = payload.decode(payload.encode(thing).bytes);
    expect(rest).toEqual({ ...thing, raw: undefined });
    expect([...(raw as Uint8Array)]).toEqual([1, 2]);
  });

  it("has the defaults of what is missing", () => {
    expect(payload.decode(new Uint8Array())).toMatchObject({
      thingId: "",
      big: 0,
      colour: "COLOUR_UNSPECIFIED",
      more: [],
      part: null,
    });
    expect(payload.decode(new Uint8Array())).not.toHaveProperty("note");
  });

  it.each<[string, object, string]>([
    ["an unknown field", { thingid: "a" }, "t.Thing has no field thingid"],
    ["an unknown field within", { part: { nam: "x" } }, "t.Part has no field part.nam"],
    ["a wrong type", { thingId: 7 }, "thingId is 7, not a text"],
    ["a wrong type in a list", { part: { parts: [{ name: 1 }] } }, "part.parts[0].name is 1, not a text"],
    [
      "an unknown name of an enum",
      { colour: "GREEN" },
      'colour is "GREEN", not one of Colour: COLOUR_UNSPECIFIED, RED, BLUE',
    ],
    ["a number for an enum", { more: [1] }, "more[0] is 1, not one of Colour"],
    ["an integer that would be rounded", { big: 2 ** 53 }, "big is beyond 2^53"],
    ["a fraction", { big: 1.5 }, "big is 1.5, not an integer"],
    ["a negative number", { small: -1 }, "small is -1, not between 0 and 4294967295"],
    ["a value of a map", { counts: { x: "1" } }, 'counts.x is "1", not an integer'],
    ["two of a oneof", { left: "a", right: 1 }, "it has left and right, of which one may be set"],
    ["the name of a oneof", { choice: "left" }, "t.Thing has no field choice"],
    ["a key of a map", { numbered: { abc: 1 } }, 'numbered has the key "abc", not a int32'],
    ["a text for bytes", { raw: "AQ==" }, 'raw is "AQ==", not bytes'],
    ["a bigint", { big: 3n }, "big is 3n, not an integer"],
  ])("refuses %s", (_, given, why) => {
    expect(() => payload.encode(given as never)).toThrow(why);
  });

  it("refuses what is stored and would be rounded, or has a value that the enum does not know", () => {
    const big = new Uint8Array([0x10, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    expect(() => payload.decode(big)).toThrow("big is beyond 2^53");
    expect(() => payload.decode(written({ colour: 9 }))).toThrow("colour is 9, not one of Colour");
    expect(() => payload.decode(new Uint8Array([0xff]))).toThrow();
  });

  it("tells the status without decoding, and nothing where it is in doubt", () => {
    expect(payload.peek(written({ thingId: "a", colour: 1 }), "colour")).toBe("RED");
    expect(payload.peek(written({ colour: 9 }), "colour")).toBeUndefined();
    expect(payload.peek(written({ thingId: "a" }), "colour")).toBeUndefined();
    expect(payload.peek(new Uint8Array([0xff]), "colour")).toBeUndefined();
    expect(payload.statusesOf("colour")).toEqual(["RED", "BLUE"]);
    expect([payload.statusesOf("more"), payload.statusesOf("thingId")]).toEqual([undefined, undefined]);
  });
});

describe("proto files", () => {
  it("are read from a folder, with what they import, and from a descriptor set", async () => {
    const folder = await temporaryFolder();
    await writeFile(
      join(folder, "part.proto"),
      'syntax = "proto3"; package t; message Part { string name = 1; }',
    );
    const imports = 'import "part.proto"; import "google/protobuf/timestamp.proto";';
    const body = "message Whole { Part part = 1; google.protobuf.Timestamp made_at = 2; }";
    await writeFile(join(folder, "whole.proto"), `syntax = "proto3"; package t; ${imports} ${body}`);
    const root = await loadProto([folder]);
    expect(protoPayload(root.lookupType("t.Whole")).decode(new Uint8Array())).toEqual({
      part: null,
      madeAt: null,
    });
    await import("protobufjs/ext/descriptor.js");
    const set = join(folder, "set.binpb");
    const { FileDescriptorSet } = (await import("protobufjs/ext/descriptor.js")).default;
    await writeFile(set, FileDescriptorSet.encode(root.toDescriptor("proto3") as never).finish());
    const again = await loadProto([set]);
    expect(protoPayload(again.lookupType("t.Whole")).hasField("madeAt")).toBe(true);
  });

  it("that are wrong are named, with the line", async () => {
    const folder = await temporaryFolder();
    const file = join(folder, "broken.proto");
    await writeFile(file, 'syntax = "proto3";\nmessage Broken {\n  strin\n}\n');
    await expect(loadProto([file])).rejects.toThrow(/broken\.proto.*line 4/);
    await writeFile(file, 'syntax = "proto3";\nmessage Broken { Missing missing = 1; }\n');
    await expect(loadProto([file])).rejects.toThrow(/broken\.proto.*Missing/);
    await expect(loadProto([join(folder, "none.proto")])).rejects.toThrow(/none\.proto/);
  });
});

describe("a JSON payload", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it("is checked by its schema, as it will be read", () => {
    const { encode, decode } = jsonPayload(
      z.object({ id: z.string(), at: z.iso.datetime(), n: z.number().default(3) }),
    );
    const at = new Date(0).toISOString();
    expect(decode(encode({ id: "a", at }).bytes)).toEqual({ id: "a", at, n: 3 });
    expect(() => encode({ id: "a", at: 7 })).toThrow(/^at: /);
    expect(() => decode(bytes('{"id":7,"at":"x"}'))).toThrow(/^id: /);
  });

  it.each(["[]", "7", "null", '"text"', "{", "\u0000", "\ufeff{}x"])("refuses %j", (text) => {
    expect(() => jsonPayload(undefined).decode(bytes(text))).toThrow();
  });

  it("refuses integers that would be rounded, and no others", () => {
    const { decode } = jsonPayload(undefined);
    expect(() => decode(bytes('{"n":9007199254740993}'))).toThrow("9007199254740993 is beyond 2^53");
    expect(() => decode(bytes('{"n":[-9007199254740993]}'))).toThrow("beyond 2^53");
    const fine =
      '{"a":"9007199254740993","b":0.12345678901234567,"c":1e20,"d":9007199254740991,"e\\"9007199254740993":1}';
    expect(decode(bytes(fine))).toMatchObject({ a: "9007199254740993", d: 9007199254740991 });
  });

  it("refuses bytes that are no UTF-8", () => {
    expect(() => jsonPayload(undefined).decode(new Uint8Array([0x7b, 0xff, 0x7d]))).toThrow();
  });
});
