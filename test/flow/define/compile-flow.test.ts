import { describe, expect, it } from "vitest";
import { z } from "zod";
import claims from "../../../fixtures/flows/claims/claims.ts";
import { compileDefinedFlow } from "../../../src/flow/define/compile-flow.ts";
import { type DefinedFlow, defineFlow } from "../../../src/flow/define/define-flow.ts";
import type { ServiceDefinition } from "../../../src/flow/define/types.ts";
import { flowTopology } from "../../../src/flow/flow-topology.ts";
import { logConsumers } from "../../../src/flow/log-consumers.ts";
import { routeOf } from "../../../src/flow/route.ts";

type Loose = { key: string; events: Record<string, Record<string, never>> };

const base = {
  name: "jobs",
  key: "id",
  events: { asked: {}, done: { status: "how", statuses: ["WELL", "BADLY"] }, filed: {} },
};

/** What a module written in JavaScript may define. */
const flowOf = (definition: object = {}, services: [string, object][] = []): DefinedFlow => {
  let flow = defineFlow<Loose>({ ...base, ...definition } as never) as unknown as DefinedFlow<Loose>;
  for (const [name, service] of services)
    flow = flow.service(name, { handle: () => undefined, ...service } as unknown as ServiceDefinition<Loose>);
  return flow as unknown as DefinedFlow;
};

const existing = { name: "JOBS", manage: false };

const work: [string, object][] = [
  ["work", { on: "asked", emits: ["done"] }],
  ["file", { on: "done", when: "WELL", emits: ["filed"] }],
];

describe("a defined flow", () => {
  it("has what follows from its services", async () => {
    const { flow } = await compileDefinedFlow(flowOf({}, work));
    expect(flow).toMatchObject({
      stream: "JOBS",
      kinds: ["asked", "done", "filed"],
      services: ["jobs_work", "jobs_file"],
      noun: { one: "job", many: "jobs" },
      endings: ["done", "filed"],
      outcomes: { BADLY: "good", FILED: "good" },
    });
    expect(flow.subscriptions.map(({ consumer }) => consumer)).toEqual([
      "jobs_work_asked",
      "jobs_file_done_WELL",
    ]);
    expect([flow.endsWith("done", "BADLY"), flow.endsWith("done", "WELL")]).toEqual([true, false]);
    expect(flow.nextAfter("done", "WELL")?.service).toBe("jobs_file");
    expect(flow.stateAfter("done", "WELL")).toBe("well");
  });

  it("names each consumer of a service with several, and lets a definition say what ends a key", async () => {
    const events = { ...base.events, asked: { ends: false }, done: { ...base.events.done, ends: ["BADLY"] } };
    const both: [string, object][] = [
      ["work", { on: "asked" }],
      ["work", { on: "done", when: "WELL", emits: ["filed"] }],
    ];
    const { flow } = await compileDefinedFlow(flowOf({ events }, both));
    expect(flow.subscriptions.map(({ consumer }) => consumer)).toEqual([
      "jobs_work_asked",
      "jobs_work_done_WELL",
    ]);
    expect(flow.endings).toEqual(["done", "filed"]);
  });

  it("lets a service begin with what comes, in its consumer alone", async () => {
    const { flow } = await compileDefinedFlow(
      flowOf({}, [
        ["work", { on: "asked", startAt: "new" }],
        ["file", { on: "done" }],
      ]),
    );
    const policies = flowTopology(flow).consumers.map((each) => [each.durable_name, each.deliver_policy]);
    expect(policies).toEqual([
      ["jobs_work_asked", "new"],
      ["jobs_file_done", undefined],
      ["redrive-jobs_work_asked", undefined],
      ["redrive-jobs_file_done", undefined],
    ]);
  });

  it("has one consumer for each partition of an ordered service, which takes all its kinds", async () => {
    const { flow } = await compileDefinedFlow(
      flowOf({ partitions: 2 }, [
        ["work", { on: "asked", ordered: true }],
        ["work", { on: "done", when: "WELL", ordered: true }],
      ]),
    );
    expect(flow.subjectOf("asked", "a")).toBe("JOBS.asked.0.a");
    expect(flow.parseSubject("JOBS.asked.0.a")).toEqual({ kind: "asked", key: "a" });
    expect(flow.parseSubject("JOBS.asked.1.a")).toBeUndefined();
    const { streams, consumers } = flowTopology(flow);
    expect(streams[0]).toMatchObject({ name: "JOBS", subjects: ["JOBS.*.0.*", "JOBS.*.1.*"] });
    expect(consumers.filter(({ stream }) => stream === "JOBS")).toMatchObject([
      {
        durable_name: "jobs_work_0",
        filter_subjects: ["JOBS.asked.0.*", "JOBS.done.0.*"],
        max_ack_pending: 1,
      },
      {
        durable_name: "jobs_work_1",
        filter_subjects: ["JOBS.asked.1.*", "JOBS.done.1.*"],
        max_ack_pending: 1,
      },
    ]);
  });

  it("takes each subject once where headers tell the kinds of an ordered service apart", async () => {
    const events = {
      asked: { subject: "ev.{partition}.{id}", headers: { t: "asked" } },
      done: {
        subject: "ev.{partition}.{id}",
        headers: { t: "done" },
        status: "how",
        statuses: ["WELL", "BADLY"],
      },
    };
    const { flow } = await compileDefinedFlow(
      flowOf({ stream: existing, partitions: 2, events }, [
        ["work", { on: "asked", ordered: true }],
        ["work", { on: "done", when: "WELL", ordered: true }],
        ["work", { on: "done", when: "BADLY", ordered: true }],
      ]),
    );
    expect(logConsumers(flow as never).map(({ filters }) => filters)).toEqual([["ev.0.*"], ["ev.1.*"]]);
    const message = (t: string, how?: string) => ({
      subject: "ev.1.k",
      payload: Buffer.from(JSON.stringify({ id: "k", how })),
      header: (name: string) => (name === "t" ? t : undefined),
    });
    const routed = (t: string, how?: string) =>
      routeOf(flow as never, flow.subscriptionsOf("jobs_work"), message(t, how))?.consumer;
    expect([routed("asked"), routed("done", "BADLY"), routed("other")]).toEqual([
      "jobs_work_asked",
      "jobs_work_done_BADLY",
      undefined,
    ]);
    expect(() => routed("done", "SO SO")).toThrow(/how is "SO SO"/);
  });

  it("refuses to store what would be taken for another key's in a stream of other programs", async () => {
    const events = { asked: { subject: "a.b" }, done: { subject: "c.d" } };
    const { flow } = await compileDefinedFlow(
      flowOf({ stream: existing, keyFrom: { field: "data.id" }, events }, [
        ["work", { on: "asked", emits: ["done"] }],
      ]),
    );
    const done = (data: object) => flow.encode({ kind: "done", key: "k", data: { data } });
    expect(() => done({})).toThrow(/an event of kind done with no key is not the one of k/);
    expect(() => done({ id: "other" })).toThrow(/with the key other is not the one of k/);
    expect(Buffer.from(done({ id: "k" })).toString()).toBe('{"data":{"id":"k"}}');
  });

  it("decodes events of its subjects, and refuses others with the reason", async () => {
    const { flow } = await compileDefinedFlow(flowOf({}, work));
    const json = (value: object) => Buffer.from(JSON.stringify(value));
    const event = { kind: "done", key: "a%20b", data: { id: "a b", how: "WELL" } };
    expect(flow.decode("JOBS.done.a%20b", flow.encode(event))).toEqual(event);
    expect(flow.describe(event)).toEqual({ outcome: "WELL", detail: null });
    const refusals: [string, object, RegExp][] = [
      ["JOBS.done.a", { id: "b", how: "WELL" }, /^JOBS\.done\.a: id is "b", not the subject's$/],
      ["JOBS.done.a", { how: "WELL" }, /id is missing, not the subject's/],
      ["JOBS.done.a", { id: "a", how: "SO" }, /how is "SO", not one of WELL, BADLY/],
      ["JOBS.made.a", { id: "a" }, /not a subject of the flow/],
      ["OTHER.done.a", { id: "a" }, /not a subject of the flow/],
    ];
    for (const [subject, value, why] of refusals)
      expect(() => flow.decode(subject, json(value))).toThrow(
        expect.objectContaining({ code: "bad_message", message: expect.stringMatching(why) }),
      );
    expect(() => flow.decode("JOBS.done.a", Buffer.from("{"))).toThrow(
      /not readable as an event of kind done/,
    );
    expect(() => flow.encode({ ...event, data: { id: "a b", how: "SO" } })).toThrow(/not one of WELL/);
  });

  it("tells by the payload alone that an event has another status", async () => {
    const { flow } = await compileDefinedFlow(claims as unknown as DefinedFlow);
    const data = { claimId: "c", verdict: "REFUSED", amountMinor: 1, currency: "EUR" };
    const payload = flow.encode({ kind: "assessed", key: "c", data });
    expect(flow.hasOtherStatus("assessed", payload, "COVERED")).toBe(true);
    expect(flow.hasOtherStatus("assessed", payload, "REFUSED")).toBe(false);
    expect(flow.hasOtherStatus("assessed", new Uint8Array([255]), "COVERED")).toBe(false);
    // VERDICT_UNSPECIFIED, said outright: no status of an event. It used to be passed over, and nobody was told.
    expect(flow.hasOtherStatus("assessed", new Uint8Array([0x10, 0]), "COVERED")).toBe(false);
    expect(() =>
      flow.decode("CLAIMS.assessed.c", flow.encode({ kind: "paid", key: "c", data: { claimId: "c" } })),
    ).toThrow(/verdict is "VERDICT_UNSPECIFIED", not one of COVERED, REFUSED/);
  });
});

describe("an event of a defined flow", () => {
  const kinds = (schema: z.ZodType) => ({ asked: { schema }, done: {} });

  it("is not stored where nobody could read it", async () => {
    const schema = z.object({
      id: z.string().trim().toLowerCase(),
      at: z.string().transform(Number).optional(),
    });
    const { flow } = await compileDefinedFlow(flowOf({ events: kinds(schema) }));
    const event = (data: object) => ({ kind: "asked", key: "A", data: data as never });
    expect(() => flow.encode(event({ id: "A" }))).toThrow(/id is "a", not the subject's/);
    expect(
      flow.decode("JOBS.asked.a", flow.encode({ ...event({ id: "a", at: "7" }), key: "a" })).data,
    ).toEqual({ id: "a", at: 7 });
  });

  it("may leave to its schema what its status is by default", async () => {
    const schema = z.object({ id: z.string(), how: z.enum(["WELL", "BADLY"]).default("WELL") });
    const events = { asked: { schema, status: "how", statuses: ["WELL", "BADLY"] } };
    const { flow } = await compileDefinedFlow(flowOf({ events }));
    const bytes = flow.encode({ kind: "asked", key: "a", data: { id: "a" } });
    expect(flow.describe(flow.decode("JOBS.asked.a", bytes)).outcome).toBe("WELL");
  });
});

describe("a definition with a fault is refused, with file and line", () => {
  it.each<[string, object, [string, object][], RegExp]>([
    ["a bad name", { name: "My Flow" }, [], /a flow's name is small letters, digits and '-', not "My Flow"/],
    ["a bad stream", { stream: "a.b" }, [], /"a\.b" is no name of a stream/],
    ["no key", { key: undefined }, [], /it has no key/],
    ["no events", { events: {} }, [], /it has no events/],
    ["a bad kind", { events: { "a.b": {} } }, [], /a kind of events is letters.*"a\.b"/],
    ["a status nobody lists", { events: { a: { status: "how" } } }, [], /statuses of a are not known/],
    [
      "a refusal that is no status",
      { events: { a: { status: "s", statuses: ["X"], refusals: ["Y"] } } },
      [],
      /a has no status Y: it has X/,
    ],
    [
      "protobuf without files",
      { events: { a: "t.A" } },
      [],
      /a is the protobuf message t\.A, and the flow names no proto/,
    ],
    [
      "a service without a handler",
      {},
      [["work", { on: "asked", handle: undefined }]],
      /service work has no handler/,
    ],
    [
      "a service with a reserved name",
      {},
      [["all", { on: "asked" }]],
      /service all has a name that means something else/,
    ],
    [
      "an unknown event",
      {},
      [["work", { on: "made" }]],
      /service work names made, which is no event of the flow: asked, done, filed/,
    ],
    ["an unknown emission", {}, [["work", { on: "asked", emits: ["made"] }]], /names made/],
    [
      "a way back",
      {},
      [["work", { on: "filed", emits: ["asked"] }]],
      /emits asked of filed, and asked is not listed behind it/,
    ],
    [
      "an unknown status",
      {},
      [["work", { on: "done", when: "SO" }]],
      /with status SO, and it has WELL, BADLY/,
    ],
    ["a status of a kind without", {}, [["work", { on: "asked", when: "WELL" }]], /and it has no status/],
    [
      "a service twice",
      {},
      [
        ["work", { on: "done" }],
        ["work", { on: "done", when: "WELL" }],
      ],
      /service work works on done twice/,
    ],
    ["the name of the built-in flow", { name: "orders", stream: "MINE" }, [], /the flow orders is built in/],
    ["a stream of orderctl's own", { name: "traces" }, [], /the stream TRACES is orderctl's own/],
    [
      "an end that is open where two services go on from one event",
      {},
      [
        ["work", { on: "asked", emits: ["done"] }],
        ["file", { on: "asked", emits: ["filed"] }],
      ],
      /several services go on from asked, so say of asked/,
    ],
    [
      "a subject in a stream of orderctl's own",
      { events: { asked: { subject: "a.b" } } },
      [],
      /asked has subject, which is for a stream that other programs made/,
    ],
    ["a place of the key there", { keyFrom: { header: "k" } }, [], /it has keyFrom, which is for a stream/],
    [
      "a stream of other programs that is not said to be one",
      { stream: { name: "JOBS" } },
      [],
      /one of other programs by \{ name, manage: false \}/,
    ],
    ["no subject in such a stream", { stream: existing }, [], /asked needs a subject/],
    [
      "a subject that NATS does not know",
      { stream: existing, events: { asked: { subject: "a..b" } } },
      [],
      /asked has a subject that NATS does not know: "a\.\.b"/,
    ],
    [
      "two keys in a subject",
      { stream: existing, events: { asked: { subject: "{a}.{b}" } } },
      [],
      /asked has several keys in its subject/,
    ],
    [
      "what is emitted to many subjects",
      { stream: existing, events: { asked: { subject: "a.{id}" }, done: { subject: "b.*" } } },
      [["work", { on: "asked", emits: ["done"] }]],
      /done is emitted, so it needs a subject without \* and >, not b\.\*/,
    ],
    [
      "a subject beyond ASCII",
      { stream: existing, events: { asked: { subject: "größe.{id}" } } },
      [],
      /asked has a subject that NATS does not know/,
    ],
    [
      "two kinds on a subject that no header tells apart",
      {
        stream: existing,
        events: { asked: { subject: "a.{id}.>", headers: { t: "x" } }, done: { subject: "a.*.done" } },
      },
      [],
      /asked and done have subjects in common, and no header that tells them apart/,
    ],
    [
      "a key in a header that is the broker's own",
      { stream: existing, keyFrom: { header: "Nats-Msg-Id" }, events: { asked: { subject: "a.b" } } },
      [],
      /the header Nats-Msg-Id is the broker's or orderctl's own/,
    ],
    [
      "a setting with which the broker would drop events",
      {},
      [["work", { on: "asked", consumer: { max_deliver: 3 } }]],
      /service work sets max_deliver of its consumer/,
    ],
    [
      "a setting of a consumer that is orderctl's own",
      {},
      [["work", { on: "asked", consumer: { ack_policy: "none" } }]],
      /service work sets ack_policy of its consumer/,
    ],
    ["half a partition", { partitions: 1.5 }, [], /partitions are 1 to 256, not 1\.5/],
    [
      "order for a part of a service",
      { partitions: 2 },
      [
        ["work", { on: "asked", ordered: true }],
        ["work", { on: "done" }],
      ],
      /service work is ordered for one kind of events and not for another/,
    ],
    [
      "no partition in the subject of an existing stream",
      { stream: existing, partitions: 2, events: { asked: { subject: "a.{id}" } } },
      [],
      /asked has no \{partition\} in its subject a\.\{id\}, and the flow has 2/,
    ],
    ["no end", { events: { asked: { ends: false } } }, [], /no kind of event ends the flow/],
    [
      "a promise about nothing",
      { audit: [{ is: "without", kind: "made", needs: "asked" }] },
      [],
      /made, which is no event of the flow/,
    ],
  ])("%s", async (...[, definition, services, why]) => {
    await expect(compileDefinedFlow(flowOf(definition, services))).rejects.toThrow(
      expect.objectContaining({
        code: "usage",
        message: expect.stringMatching(new RegExp(`^\\S+compile-flow\\.test\\.ts:\\d+: .*${why.source}`)),
      }),
    );
  });
});
