import { expect, it, onTestFinished } from "vitest";
import { announceServices, type FoundService } from "../../../src/jetstream/client/services-api.ts";
import { askServices } from "../../support/ask-services.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";

const lastError = "no answer of http://ann:secret@policies/7";
const work = { requests: 3, errors: 1, lastError, workedUs: 4000.4 };

const assess: FoundService = {
  name: "claims_assess",
  version: "1.2.3",
  description: "works on claims",
  metadata: { instance: "host.1" },
  endpoints: () => [
    {
      name: "claims_assess_opened",
      subject: "CLAIMS.opened.*",
      queueGroup: "claims_assess_opened",
      metadata: { stream: "CLAIMS" },
      ...work,
      data: { inFlight: 2 },
    },
  ],
};
const close: FoundService = { ...assess, name: "claims_close", endpoints: () => [] };

async function openBoth(extraConfig = "", credentials = {}) {
  const broker = await startTestBroker({ extraConfig });
  const notes: string[] = [];
  const service = await openTestConnection(broker.url, credentials, (text) => notes.push(text));
  const asker = await openTestConnection(broker.url, credentials);
  onTestFinished(async () => {
    await service.close();
    await asker.close();
    await broker.stop();
  });
  return { broker, notes, service, asker };
}

it("tells the client's own questions of each service, in the protocol's form", async () => {
  const { service, asker } = await openBoth();
  announceServices(service, [assess, close]);
  await service.nats.flush();
  const [first, second, ...others] = await askServices.ping(asker);
  const { version, metadata } = assess;
  expect(first).toEqual({
    type: "io.nats.micro.v1.ping_response",
    name: "claims_assess",
    id: expect.stringMatching(/^[A-Za-z0-9]{22}$/),
    version,
    metadata,
  });
  expect(second).toMatchObject({ name: "claims_close" });
  expect(second?.id).not.toBe(first?.id);
  expect(others).toEqual([]);
  const endpoint = {
    name: "claims_assess_opened",
    subject: "CLAIMS.opened.*",
    queue_group: "claims_assess_opened",
  };
  expect(await askServices.info(asker, "claims_assess")).toEqual([
    {
      ...{ ...first, type: "io.nats.micro.v1.info_response", description: "works on claims" },
      endpoints: [{ ...endpoint, metadata: { stream: "CLAIMS" } }],
    },
  ]);
  const [stats, ...more] = await askServices.stats(asker, "claims_assess", first?.id);
  expect(more).toEqual([]);
  expect(stats).toEqual({
    ...{ ...first, type: "io.nats.micro.v1.stats_response", started: expect.any(String) },
    endpoints: [
      {
        ...endpoint,
        ...{
          num_requests: 3,
          num_errors: 1,
          last_error: "no answer of http://ann:***@policies/7",
          data: { inFlight: 2 },
        },
        ...{ processing_time: 4_000_400, average_processing_time: 1_333_466 },
      },
    ],
  });
  expect(new Date(stats?.started ?? "").toISOString()).toBe(stats?.started);
  expect(await askServices.stats(asker, "claims_close")).toMatchObject([{ endpoints: [] }]);
});

it("tells what `nats micro` takes: a name of its characters, an error of any length, times of no work", async () => {
  const { service, asker } = await openBoth();
  const [endpoint] = assess.endpoints();
  if (!endpoint) throw new Error("it has one");
  const idle = {
    ...endpoint,
    name: "claims_payout_A+B é",
    requests: 0,
    errors: 0,
    workedUs: 0,
    lastError: undefined,
  };
  const failed = { ...endpoint, lastError: "no answer ".repeat(10_000) };
  announceServices(service, [{ ...assess, endpoints: () => [idle, failed] }]);
  await service.nats.flush();
  const [stats] = await askServices.stats(asker);
  const name = "claims_payout_A_B__";
  expect(stats?.endpoints?.[0]).toMatchObject({ name, last_error: "", average_processing_time: 0 });
  expect((await askServices.info(asker))[0]?.endpoints?.[0]).toMatchObject({ name });
  expect(stats?.endpoints?.[1]?.last_error).toHaveLength(500);
});

it.each([
  "ORDERS.payments.o1",
  "$JS.API.STREAM.PURGE.ORDERS",
  "orderctl.answers.x",
  "x._INBOX.y",
])("writes nothing to %s, which is no inbox, whoever asks for an answer there", async (reply) => {
  const { service, asker } = await openBoth();
  const heard: string[] = [];
  asker.nats.subscribe(">", {
    callback: (_, { subject, data }) => void (data.length > 0 && heard.push(subject)),
  });
  announceServices(service, [assess]);
  await service.nats.flush();
  for (const verb of ["PING", "INFO", "STATS"]) {
    asker.nats.publish(`$SRV.${verb}`, undefined, { reply });
    asker.nats.publish(`$SRV.${verb}.claims_assess`, undefined, { reply });
    asker.nats.publish(`$SRV.${verb}`);
  }
  await asker.nats.flush();
  // Answered in their order: an answer to those above would be here by now.
  expect(await askServices.stats(asker)).toHaveLength(1);
  expect(heard.filter((subject) => !/^_INBOX\./.test(subject))).toEqual([]);
  expect(heard).not.toEqual([]);
});

it("listens on nothing that an endpoint names: nobody can hand it work there", async () => {
  const { service, asker } = await openBoth();
  announceServices(service, [assess]);
  await service.nats.flush();
  await expect(asker.nats.request("CLAIMS.opened.c-1", "x", { timeout: 1000 })).rejects.toMatchObject({
    code: "503",
  });
});

it("is there again after a restart of the broker, as the same instance, and gone when it is stopped", async () => {
  const { broker, service, asker } = await openBoth();
  const announced = announceServices(service, [assess]);
  await service.nats.flush();
  const before = await askServices.ping(asker);
  expect(before).toHaveLength(1);
  await broker.restart();
  await until(() => service.isConnected() && asker.isConnected());
  await service.nats.flush();
  expect(await askServices.ping(asker)).toEqual(before);
  announced.stop();
  await service.nats.flush();
  await expect(askServices.ping(asker), "nobody listens").rejects.toMatchObject({ code: "503" });
});

const userWith = (permissions: string) =>
  openBoth(`authorization { users: [{ user: u, password: p, permissions: ${permissions} }] }`, {
    user: "u",
    password: "p",
  });

it("says once that this user may not listen there, for all services and after a reconnect", async () => {
  const { broker, notes, service } = await userWith(`{ subscribe: { deny: "$SRV.>" } }`);
  announceServices(service, [assess, close]);
  await until(() => notes.length > 0);
  await broker.restart();
  await until(() => service.isConnected() && notes.some((note) => note.startsWith("back")));
  await service.nats.flush();
  expect(notes.filter((note) => note.includes("$SRV"))).toEqual([
    '`nats micro` does not find the services: user "u": no permission to subscribe to $SRV.PING',
  ]);
});

it("says once that this user may not answer", async () => {
  const { notes, service, asker } = await userWith(`{ publish: { deny: "_INBOX.>" } }`);
  announceServices(service, [assess, close]);
  await service.nats.flush();
  expect(await askServices.ping(asker)).toEqual([]);
  expect(await askServices.ping(asker)).toEqual([]);
  expect(notes).toEqual([
    expect.stringMatching(
      /^`nats micro` does not find the services: user "u": no permission to publish to _INBOX\./,
    ),
  ]);
});
