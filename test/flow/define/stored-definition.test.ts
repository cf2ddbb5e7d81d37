import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import cloudEvents from "../../../fixtures/flows/existing/cloud-events.ts";
import plainJson from "../../../fixtures/flows/existing/plain-json.ts";
import steps from "../../../fixtures/flows/ordered/steps.ts";
import { compileDefinedFlow } from "../../../src/flow/define/compile-flow.ts";
import { type DefinedFlow, defineFlow, every, no } from "../../../src/flow/define/define-flow.ts";
import { descriptorSet } from "../../../src/flow/define/descriptor-set.ts";
import { flowChanges } from "../../../src/flow/define/flow-changes.ts";
import {
  compileStored,
  definitionOf,
  digestOf,
  type StoredDefinition,
} from "../../../src/flow/define/stored-definition.ts";
import { logConsumers } from "../../../src/flow/log-consumers.ts";
import { flowTypes } from "../../../src/flows/flow-types.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { jobsFrom, jobsProto } from "./defined-from-proto.ts";

/** Names and forms that a descriptor set writes otherwise than a `.proto` file does. */
const source = `import "google/protobuf/timestamp.proto";
enum How { option allow_alias = true; HOW_UNSPECIFIED = 0; WELL = 1; FINE = 1; BADLY = 2; }
message Part { string name = 1; repeated Part parts = 2; }
message Asked {
  reserved 30, 40 to 42;
  reserved "gone";
  string id = 1;
  string a_1 = 2; string fooBar = 3; string x_y_z = 4; string URL = 5;
  string renamed = 6 [json_name = "other"];
  optional string note = 7;
  oneof side { string left = 8; Inner inner = 9; }
  map<string, Part> by_name = 10;
  repeated int32 counts = 11 [packed = false];
  google.protobuf.Timestamp at = 12;
  optional int64 late = 13;
  message Inner { bool on = 1; enum K { K_UNSPECIFIED = 0; A = 1; } K k = 2; }
}
message Done { string id = 1; How how = 2; }
`;

const overWire = (definition: StoredDefinition): StoredDefinition => JSON.parse(JSON.stringify(definition));

describe("a definition that was stored", () => {
  it("describes the flow that it is of: same tables, types and events", async () => {
    const compiled = await jobsFrom(source, {
      noun: ["job", "jobs"],
      audit: [every("asked").endsIn("done").within("1h"), no("done").without("asked")],
    });
    const stored = await compileStored(overWire(await definitionOf(compiled)));
    const { flow } = stored;
    expect(flowTypes(stored)).toBe(flowTypes(compiled));
    expect([...flowChanges(compiled, stored), ...flowChanges(stored, compiled)]).toEqual([]);
    for (const property of [
      "stream",
      "kinds",
      "services",
      "subscriptions",
      "outcomes",
      "keyField",
      "noun",
    ] as const)
      expect(flow[property]).toEqual(compiled.flow[property]);
    const data = {
      ...{ id: "a", a_1: "b", fooBar: "c", xYZ: "d", URL: "e", renamed: "f", note: "g" },
      ...{ inner: { on: true, k: "A" }, byName: { p: { name: "q", parts: [] } }, counts: [1, 2] },
      at: { seconds: 7, nanos: 0 },
    };
    const subject = "JOBS.asked.a";
    const bytes = compiled.flow.encode({ kind: "asked", key: "a", data });
    expect(flow.decode(subject, bytes)).toEqual(compiled.flow.decode(subject, bytes));
    expect(flow.decode(subject, bytes)).toMatchObject({ data });
    expect(Buffer.from(flow.encode({ kind: "asked", key: "a", data }))).toEqual(Buffer.from(bytes));
  });

  it.each<[string, DefinedFlow<never, never>]>([
    ["CloudEvents", cloudEvents as never],
    ["plain JSON", plainJson as never],
    ["an ordered flow", steps as never],
  ])("knows where events are: %s", async (_, defined) => {
    const compiled = await compileDefinedFlow(defined as never);
    const { flow } = await compileStored(overWire(await definitionOf(compiled)));
    const told = (of: typeof flow) =>
      of.kinds.map((kind) => [of.subjectOf(kind, "k-1"), of.filterOf(kind, 3), of.headersOf(kind, "k-1")]);
    expect(told(flow)).toEqual(told(compiled.flow));
    expect([flow.isManaged, flow.partitions]).toEqual([compiled.flow.isManaged, compiled.flow.partitions]);
    expect(logConsumers(flow)).toEqual(
      logConsumers(compiled.flow).map((each) => ({
        ...each,
        // Settings of consumers are for those who make them.
        subscriptions: each.subscriptions.map(({ settings: __, ...subscription }) => subscription),
      })),
    );
  });

  it("has descriptors that other tools of protobuf read", async () => {
    const { descriptors } = await definitionOf(await jobsFrom(source));
    const file = join(await temporaryFolder(), "jobs.binpb");
    await writeFile(file, Buffer.from(descriptors ?? "", "base64"));
    const buf = join(import.meta.dirname, "../../../node_modules/.bin/buf");
    await promisify(execFile)(buf, ["breaking", file, "--against", file]);
  });

  it("reads JSON without its schema, and knows that there was one", async () => {
    const compiled = await compileDefinedFlow(
      defineFlow({
        name: "jobs",
        key: "id",
        events: { asked: { schema: z.object({ id: z.string(), count: z.number() }) } },
      }) as never,
    );
    const definition = overWire(await definitionOf(compiled));
    expect(definition.kinds).toMatchObject([{ payload: "json", hasSchema: true }]);
    const { flow } = await compileStored(definition);
    const text = new TextEncoder().encode('{"id":"a","more":1}');
    expect(flow.decode("JOBS.asked.a", text)).toMatchObject({ data: { id: "a", more: 1 } });
    expect(() => compiled.flow.decode("JOBS.asked.a", text)).toThrow("count");
  });

  it("is another one for each change, and the same for the same", async () => {
    const digest = async (text: string) => digestOf(await definitionOf(await jobsFrom(text)));
    expect(await digest(jobsProto)).toBe(await digest(`// a comment\n${jobsProto}`));
    expect(await digest(jobsProto)).not.toBe(await digest(jobsProto.replace("count", "total")));
  });

  it.each<[string, (good: StoredDefinition) => unknown, RegExp]>([
    [
      "of a later version",
      (good) => ({ ...good, version: 2 }),
      /it has version 2, and this orderctl reads version 1/,
    ],
    ["without kinds", (good) => ({ ...good, kinds: null }), /cannot be read/],
    [
      "with a stream of orderctl's own",
      (good) => ({ ...good, stream: "ORDERS" }),
      /ORDERS is orderctl's own/,
    ],
    ["with descriptors that are none", (good) => ({ ...good, descriptors: "////" }), /cannot be read/],
    ["without the type of an event", (good) => ({ ...good, descriptors: null }), /t\.Asked/],
    [
      "with names that would become code",
      (good) => ({ ...good, descriptors: Buffer.from(strangeNames()).toString("base64") }),
      /is no name of protobuf/,
    ],
  ])("is refused %s", async (_, change, why) => {
    const good = overWire(await definitionOf(await jobsFrom(jobsProto)));
    await expect(compileStored(change(good) as StoredDefinition)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(why),
    });
  });
});

function strangeNames(): Uint8Array {
  const { root } = protobuf.parse('syntax = "proto3"; package t; message Asked { string id = 1; }');
  root.lookupType("t.Asked").add(new protobuf.Field('x"]; process.exit(9); //', 2, "string"));
  root.resolveAll();
  return descriptorSet(root);
}
