import { expect, it, onTestFinished } from "vitest";
import type { CompiledFlow } from "../../src/flow/define/compile-flow.ts";
import { flowsBucket, flowTopology } from "../../src/flow/flow-topology.ts";
import { keepDefinition, readDefinition, readFlowNames } from "../../src/flows/kept-definitions.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { jobsFrom, jobsProto } from "../flow/define/defined-from-proto.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker } from "../support/start-test-broker.ts";

type World = {
  keep(compiled: CompiledFlow, acceptBreaking?: boolean): Promise<void>;
  /** How often the broker has been told a definition. */
  written(): Promise<number>;
  read: () => ReturnType<typeof readDefinition>;
  names: () => Promise<string[]>;
  store(value: string): Promise<void>;
  notes: string[];
};

/** `as` lets the services log in as this user. */
async function createWorld(extraConfig = "", as: { user?: string; password?: string } = {}): Promise<World> {
  const broker = await startTestBroker(extraConfig === "" ? {} : { extraConfig });
  onTestFinished(() => broker.stop());
  const admin = await openTestConnection(broker.url, as.user ? { user: "admin", password: "x" } : {});
  onTestFinished(() => admin.close());
  const notes: string[] = [];
  const connection = await openTestConnection(broker.url, as, (line) => notes.push(line));
  onTestFinished(() => connection.close());
  await applyTopology(admin, flowTopology((await jobsFrom(jobsProto)).flow));
  return {
    keep: (compiled, acceptBreaking = false) =>
      keepDefinition(connection, compiled, { acceptBreaking, note: (line) => notes.push(line) }),
    written: () => readLastSequence(admin, `KV_${flowsBucket}`),
    read: () => readDefinition(admin, "jobs"),
    names: () => readFlowNames(admin),
    async store(value) {
      await admin.nats.jetstream().publish(`$KV.${flowsBucket}.jobs`, value);
    },
    notes,
  };
}

const withMore = jobsProto.replace("int32 count = 2;", "int32 count = 2; string more = 9;");

it("is stored once, however many processes begin, and again only where it differs", async () => {
  const { keep, written, read, names, notes } = await createWorld();
  expect(await read()).toBeUndefined();
  await Promise.all(Array.from({ length: 8 }, async () => keep(await jobsFrom(jobsProto))));
  expect(await written()).toBe(1);
  await keep(await jobsFrom(withMore));
  expect(await written()).toBe(2);
  expect((await read())?.flow.flow.stream).toBe("JOBS");
  expect(await names()).toEqual(["jobs"]);
  expect(notes).toEqual([]);
});

it("leaves a later one where an earlier one begins once more, as when services are replaced one by one", async () => {
  const { keep, written, notes } = await createWorld();
  await keep(await jobsFrom(jobsProto));
  await keep(await jobsFrom(withMore));
  await keep(await jobsFrom(jobsProto));
  expect(await written()).toBe(2);
  expect(notes).toEqual([
    expect.stringMatching(/^this is an earlier definition of jobs than the broker keeps/),
  ]);
  await keep(await jobsFrom(jobsProto), true);
  expect(await written()).toBe(3);
});

it("refuses one with which stored events are not what they are, unless it is to be accepted", async () => {
  const { keep, written, notes } = await createWorld();
  await keep(await jobsFrom(jobsProto));
  const broken = await jobsFrom(jobsProto.replace("int32 count", "string count").replace("BADLY", "FINE"));
  await expect(keep(broken)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringMatching(
      /^the events of jobs that are stored do not go with its definition: Asked\.count was int32 and is string, \S+jobs\.proto:11: .* \(and 1 more\)$/,
    ),
  });
  expect(await written()).toBe(1);
  await keep(broken, true);
  expect(await written()).toBe(2);
  expect(notes).toEqual([expect.stringMatching(/number 2 of How was BADLY and is FINE/)]);
});

it("is stored once more after it was removed", async () => {
  const { keep, written, store, read, names } = await createWorld();
  await store("");
  expect(await read()).toBeUndefined();
  expect(await names()).toEqual([]);
  await keep(await jobsFrom(jobsProto));
  expect(await written()).toBe(2);
});

it.each<[string, string]>([
  ["what is no definition", "7"],
  ["another flow's", '{"definition":{"version":1,"name":"bills"},"earlier":[]}'],
  ["one of a later version", '{"definition":{"version":2,"name":"jobs"},"earlier":[]}'],
])("leaves %s as it is, with a note", async (_, value) => {
  const { keep, written, store, notes, read } = await createWorld();
  await store(value);
  await keep(await jobsFrom(jobsProto));
  expect(await written()).toBe(1);
  expect(notes).toEqual([
    expect.stringMatching(/^the broker does not keep the definition of jobs: .*cannot be read/),
  ]);
  await expect(read()).rejects.toMatchObject({ code: "unavailable" });
});

const users = (deny: string) => `authorization: { users: [
  { user: admin, password: x }
  { user: work, password: x, permissions: { publish: { deny: "${deny}" } } }
] }`;

it.each([
  ["write", `$KV.${flowsBucket}.>`],
  ["read", `$JS.API.STREAM.MSG.GET.KV_${flowsBucket}`],
])("is not kept where the user may not %s, which is noted and keeps nobody from serving", async (_, deny) => {
  const { keep, written, notes } = await createWorld(users(deny), { user: "work", password: "x" });
  await keep(await jobsFrom(jobsProto));
  expect(await written()).toBe(0);
  expect(notes).toEqual([
    expect.stringMatching(/^the broker does not keep the definition of jobs: .*no permission/),
  ]);
});

it("is not kept where it is larger than what the broker takes", async () => {
  const { keep, written, notes } = await createWorld("max_payload: 1200");
  await keep(await jobsFrom(`${jobsProto}message Filler { ${fields(200)} }`));
  expect(await written()).toBe(0);
  expect(notes).toEqual([
    expect.stringMatching(/^the broker does not keep the definition of jobs: .* more than the broker takes/),
  ]);
});

const fields = (count: number): string =>
  Array.from({ length: count }, (_, index) => `string field_${index} = ${index + 1};`).join(" ");
