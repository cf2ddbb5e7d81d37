import { join } from "node:path";
import specs from "@asyncapi/specs";
import { Ajv } from "ajv";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { compileDefinedFlow } from "../../src/flow/define/compile-flow.ts";
import { defineFlow } from "../../src/flow/define/define-flow.ts";
import { type AsyncApi, asyncApiOf } from "../../src/flows/asyncapi.ts";
import { jobsFrom, jobsProto } from "../flow/define/defined-from-proto.ts";
import { runCommand } from "../support/run-command.ts";

const module = join(import.meta.dirname, "../../fixtures/flows/claims/claims.ts");

/** As AsyncAPI's own schema of version 3 says it; `null` where the document fits. */
const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(
  specs.schemasWithoutId["3.0.0"] as object,
);
const faultsOf = (document: object) => (validate(document) ? null : validate.errors);

const payloadOf = (document: AsyncApi, kind: string) =>
  (document.components.messages[kind] as { payload: Record<string, unknown> }).payload;

let claims: AsyncApi;

beforeAll(async () => {
  const shown = await runCommand(
    `flow show --asyncapi --flow ${module} --server nats://ann:secret@127.0.0.1,tls://b:5222`,
  );
  expect(shown).toMatchObject({ exitCode: 0, stderr: "" });
  expect(shown.stdout).not.toContain("secret");
  claims = JSON.parse(shown.stdout);
});

describe("a flow as a document of AsyncAPI", () => {
  it("is one of version 3", () => {
    expect(faultsOf(claims)).toBeNull();
    expect(faultsOf({ ...claims, operations: { x: { action: "eat" } } })).not.toBeNull();
  });

  it("has a channel for each kind, with the key as its parameter, and the brokers without credentials", () => {
    expect(
      Object.entries(claims.channels).map(([id, channel]) => [id, (channel as { address: string }).address]),
    ).toEqual(["opened", "assessed", "paid", "closed"].map((kind) => [kind, `CLAIMS.${kind}.{claimId}`]));
    expect(claims.channels.opened).toHaveProperty("parameters.claimId.description");
    expect(claims.servers).toEqual({
      broker: { host: "127.0.0.1:4222", protocol: "nats" },
      broker2: { host: "b:5222", protocol: "tls" },
    });
  });

  it("tells what each service receives and sends", () => {
    const told = Object.entries(claims.operations).map(
      ([id, { action, channel }]) => `${id}: ${action} ${channel.$ref}`,
    );
    expect(told).toEqual([
      "publish.send.opened: send #/channels/opened",
      "assess.receive.opened: receive #/channels/opened",
      "assess.send.assessed: send #/channels/assessed",
      "payout.receive.assessed.COVERED: receive #/channels/assessed",
      "payout.send.paid: send #/channels/paid",
      "close.receive.paid: receive #/channels/paid",
      "close.send.closed: send #/channels/closed",
    ]);
  });

  it("has a message's JSON form as its schema, in which a status has a value", () => {
    expect(claims.components.messages.assessed).toMatchObject({
      name: "claims.v1.ClaimAssessed",
      contentType: "application/protobuf",
    });
    const schema = payloadOf(claims, "assessed");
    expect(schema).toMatchObject({
      properties: { verdict: { enum: ["COVERED", "REFUSED"] }, amountMinor: { maximum: 2 ** 53 - 1 } },
      required: ["claimId", "verdict"],
    });
    const fits = new Ajv().compile(schema);
    expect(fits({ claimId: "a", verdict: "COVERED", amountMinor: 5, currency: "EUR" })).toBe(true);
    expect(fits({ claimId: "a", verdict: "VERDICT_UNSPECIFIED" })).toBe(false);
    expect(fits({ claimId: "a", verdict: "COVERED", amount: 5 })).toBe(false);
  });

  it("refers to messages within messages, also to those that contain themselves", async () => {
    const document = await asyncApiOf(await jobsFrom(jobsProto), undefined);
    expect(faultsOf(document)).toBeNull();
    expect(document).not.toHaveProperty("servers");
    const part = { $ref: "#/components/schemas/t.Part" };
    expect(payloadOf(document, "asked")).toMatchObject({
      properties: { parts: { type: "array", items: part } },
    });
    expect(document.components.schemas["t.Part"]).toMatchObject({ properties: { parts: { items: part } } });
  });

  it("has the JSON Schema of what a schema accepts, where its library tells it", async () => {
    const compiled = await compileDefinedFlow(
      defineFlow({
        name: "jobs",
        key: "job id",
        events: {
          asked: { schema: z.object({ "job id": z.string(), at: z.number().default(0) }) },
          dated: { schema: z.object({ when: z.date() }) },
          plain: {},
        },
      }) as never,
    );
    const document = await asyncApiOf(compiled, undefined);
    expect(faultsOf(document)).toBeNull();
    expect(document.channels.asked).toMatchObject({ address: "JOBS.asked.{job_id}" });
    expect(document.components.messages.asked).toMatchObject({ contentType: "application/json" });
    expect(payloadOf(document, "asked")).toMatchObject({ type: "object", required: ["job id"] });
    expect(payloadOf(document, "dated")).toEqual({});
    expect(payloadOf(document, "plain")).toEqual({});
  });

  it("is told with --json as every result, and of a flow of one's own", async () => {
    const [line] = (await runCommand(`flow show --asyncapi --json --flow ${module}`)).lines();
    expect(line).toMatchObject({ kind: "asyncapi", data: { asyncapi: "3.0.0", info: { title: "claims" } } });
    const builtIn = await runCommand("flow show --asyncapi --flow orders");
    expect(builtIn).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("not the built-in one") });
    const both = await runCommand(`flow show --asyncapi --mermaid --flow ${module}`);
    expect(both.exitCode).toBe(2);
  });
});

it("tells the subjects of other programs' streams, and partitions", async () => {
  for (const [path, addresses] of [
    ["existing/protobuf.ts", ["insurance.{claimId}.opened", "insurance.{claimId}.assessed"]],
    ["ordered/steps.ts", ["first", "second", "third"].map((kind) => `STEPS.${kind}.{partition}.{id}`)],
  ] as const) {
    const flow = join(import.meta.dirname, "../../fixtures/flows", path);
    const { stdout } = await runCommand(`flow show --asyncapi --flow ${flow}`);
    const document = JSON.parse(stdout);
    expect(faultsOf(document)).toBeNull();
    expect(Object.values<{ address: string }>(document.channels).map(({ address }) => address)).toEqual(
      addresses,
    );
  }
});
