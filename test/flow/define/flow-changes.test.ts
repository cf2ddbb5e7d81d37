import { describe, expect, it } from "vitest";
import { flowAdvice } from "../../../src/flow/define/flow-advice.ts";
import { flowChanges } from "../../../src/flow/define/flow-changes.ts";
import { jobsFrom, jobsProto } from "./defined-from-proto.ts";

type Changed = { from?: string; to?: string; rest?: object };

async function changes({ from = "", to = "", rest }: Changed) {
  const before = await jobsFrom(jobsProto);
  expect(jobsProto).toContain(from);
  const after = await jobsFrom(jobsProto.replace(from, to), rest);
  return flowChanges(before, after).map(({ what, where }) => ({
    what,
    where: where?.replace(after.file, "jobs.proto") ?? null,
  }));
}

describe("a change of a flow with which stored events are not what they were", () => {
  it.each<[from: string, to: string, found: [what: string, where: string]]>([
    ["  int32 count = 2;", "", ["Asked has lost count and does not reserve it", "jobs.proto:9"]],
    ["  int32 count = 2;", "  reserved 2;", ["Asked has lost count and does not reserve it", "jobs.proto:9"]],
    ["int32 count = 2;", "int32 total = 2;", ["number 2 of Asked was count and is total", "jobs.proto:11"]],
    ["int32 count = 2;", "int32 count = 9;", ["Asked.count had number 2 and has 9", "jobs.proto:11"]],
    ["int32 count = 2;", "string count = 2;", ["Asked.count was int32 and is string", "jobs.proto:11"]],
    ["int32 count = 2;", "sint32 count = 2;", ["Asked.count was int32 and is sint32", "jobs.proto:11"]],
    [
      "repeated Part parts = 3;",
      "Part parts = 3;",
      ["Asked.parts was a list of a message and is a message", "jobs.proto:12"],
    ],
    [
      "message Part { string name = 1;",
      "message Part { bytes name = 1;",
      ["Part.name was string and is bytes", "jobs.proto:8"],
    ],
    [
      "  string left = 4;\n  string right = 5;",
      "  oneof side {\n  string left = 4;\n  string right = 5;\n  }",
      ["Asked.left is one of side now", "jobs.proto:14"],
    ],
    ["  BADLY = 2;", "", ["How has lost BADLY = 2", "jobs.proto:3"]],
    ["  BADLY = 2;", "  FINE = 2;", ["number 2 of How was BADLY and is FINE", "jobs.proto:6"]],
  ])("%s → %s", async (from, to, [what, where]) => {
    expect((await changes({ from, to }))[0]).toEqual({ what, where });
  });

  it.each<[string, object, string]>([
    ["another stream", { stream: "WORK" }, "the stream was JOBS and is WORK"],
    ["another key", { key: "left", events: { asked: "t.Asked" } }, "the key was id and is left"],
    ["a kind less", { events: { asked: "t.Asked" } }, "there is no done any more"],
    ["another format", { events: { asked: {}, done: {} } }, "asked was protobuf and is JSON"],
    [
      "a status less",
      { events: { asked: "t.Asked", done: { type: "t.Done", status: "how", statuses: ["WELL"] } } },
      "done has lost the status BADLY",
    ],
    [
      "a status that there was not",
      {
        events: {
          asked: { type: "t.Asked", status: "left", statuses: ["x"] },
          done: { type: "t.Done", status: "how" },
        },
      },
      "asked has the status left now",
    ],
  ])("%s", async (_, rest, what) => {
    const found = flowChanges(await jobsFrom(jobsProto), await jobsFrom(jobsProto, rest));
    expect(found.map((each) => each.what)).toContain(what);
    expect(found[0]?.where).toMatch(/defined-from-proto\.ts:\d+$/);
  });

  it("is told once, of a type that many messages have, and a lost status with its place alone", async () => {
    expect(await changes({ from: "  BADLY = 2;", to: "" })).toHaveLength(1);
    expect(
      await changes({ from: "message Part { string name = 1;", to: "message Part { int32 name = 1;" }),
    ).toHaveLength(1);
  });
});

describe("a change of a flow that leaves stored events what they are", () => {
  it.each<[string, string]>([
    ["nothing", "nothing"],
    ["  int32 count = 2;", '  reserved 2;\n  reserved "count";'],
    ["int32 count = 2;", "int64 count = 2;"],
    ["string right = 5;", "string right = 5;\n  string more = 6;"],
    ["  BADLY = 2;", "  BADLY = 2;\n  SO_SO = 3;"],
    ["message Done {", "message Done { optional string note = 7;"],
  ])("%s → %s", async (from, to) => {
    expect(await changes(jobsProto.includes(from) ? { from, to } : {})).toEqual([]);
  });
});

describe("advice on .proto files", () => {
  it("has none on what leaves room", async () => {
    expect(flowAdvice(await jobsFrom(jobsProto))).toEqual([]);
  });

  it("is given on enums without a name for nothing, and on keys that are no texts", async () => {
    const source = jobsProto.replace("HOW_UNSPECIFIED", "NEW").replaceAll("string id = 1;", "int64 id = 1;");
    const found = flowAdvice(await jobsFrom(source));
    expect(found.map(({ level, what }) => `${level}: ${what}`)).toEqual([
      "advice: the key Asked.id is int64, not string",
      "advice: the key Done.id is int64, not string",
      "advice: How has 0 for NEW, not for …_UNSPECIFIED",
    ]);
    expect(found.at(-1)?.where).toMatch(/jobs\.proto:4$/);
  });
});
