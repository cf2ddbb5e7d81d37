import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { readVersion } from "../../src/core/version.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { askServices } from "../support/ask-services.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** Nobody, while nobody listens. */
const found = () => askServices.info(connection).catch(() => []);
const statsOf = async (name: string) => (await askServices.stats(connection, name))[0];

describe("the services of a process", () => {
  it("are found as long as they run, each with its consumers", async () => {
    const folder = await temporaryFolder();
    const words = `order payment archive --archive ${folder} --http-port 0 --instance till.1`;
    const serving = serve(broker.url, words);
    await until(async () => (await found()).length === 3);
    const [archive, order, payment] = await found();
    const common = { version: readVersion(), id: expect.stringMatching(/^\w{22}$/) };
    const metadata = { flow: "orders", stream: "ORDERS", instance: "till.1" };
    expect(archive).toMatchObject({ ...common, name: "archive", metadata, endpoints: [] });
    expect(archive?.description).toBe(`archives ORDERS to file://${folder}`);
    expect(order).toMatchObject({ ...common, name: "order", metadata, endpoints: [] });
    expect(order?.description).toMatch(/^takes orders at http:\/\/127\.0\.0\.1:\d+$/);
    expect(payment).toMatchObject({
      ...common,
      name: "payment",
      description: "works on orders: ORDERS.created → payments, ORDERS.reservations OUT_OF_STOCK → refunds",
      metadata: { ...metadata, consumers: "payment-processor,payment-refunder" },
      endpoints: [
        {
          name: "payment-processor",
          subject: "ORDERS.created.*",
          queue_group: "payment-processor",
          metadata: { stream: "ORDERS", consumer: "payment-processor", on: "created", emits: "payments" },
        },
        {
          name: "payment-refunder",
          subject: "ORDERS.reservations.*",
          metadata: { when: "OUT_OF_STOCK", emits: "refunds" },
        },
      ],
    });
    await serving.stop();
    await connection.nats.flush();
    expect(await found()).toEqual([]);
  });

  it("are two where two processes run one, each with what it has done itself", async () => {
    const one = serve(broker.url, "shipping --instance one");
    serve(broker.url, "shipping --instance two");
    await until(async () => (await found()).length === 2);
    const instances = (await found()).map(({ metadata }) => metadata?.instance);
    expect(instances.sort()).toEqual(["one", "two"]);
    await one.stop();
    await until(async () => (await found()).length === 1);
    expect(await found()).toMatchObject([{ name: "shipping", metadata: { instance: "two" } }]);
  });

  it("tell what they have worked on, how long it took, and what failed last", async () => {
    serve(broker.url, "payment");
    await until(async () => (await found()).length === 1);
    expect((await statsOf("payment"))?.endpoints?.[0]).toMatchObject({
      ...{ num_requests: 0, num_errors: 0, last_error: "", processing_time: 0, average_processing_time: 0 },
      data: { duplicates: 0, inFlight: 0 },
    });
    expect((await runCommand(`publish order --count 20 --server ${broker.url}`)).exitCode).toBe(0);
    await connection.nats.jetstream().publish("ORDERS.created.none", "no order");
    const first = async () => (await statsOf("payment"))?.endpoints?.[0];
    await until(async () => (await first())?.num_requests === 21);
    const stats = await first();
    expect(stats).toMatchObject({
      num_errors: 1,
      last_error: expect.stringContaining("ORDERS.created.none"),
    });
    const { processing_time = 0, average_processing_time } = stats ?? {};
    expect(processing_time).toBeGreaterThan(0);
    expect(average_processing_time).toBe(Math.trunc(processing_time / 21));
  });
});

it("run, and say so once, where their user may not listen there", async () => {
  const permissions = `{ subscribe: { deny: "$SRV.>" } }`;
  const extraConfig = `authorization { users: [{ user: u, password: p, permissions: ${permissions} }] }`;
  const closed = await startTestBroker({ extraConfig });
  const looking = await openTestConnection(closed.url, { user: "u", password: "p" });
  onTestFinished(async () => {
    await looking.close();
    await closed.stop();
  });
  const login = `--server ${closed.url} --user u --password p`;
  const serving = serve(closed.url, "payment inventory --user u --password p");
  await until(() => serving.stderr().includes("$SRV"));
  expect((await runCommand(`publish order --count 5 ${login}`)).exitCode).toBe(0);
  const payments = { subjects_filter: "ORDERS.payments.>" };
  const paid = async () => (await looking.jsm.streams.info("ORDERS", payments)).state.subjects ?? {};
  await until(async () => Object.keys(await paid()).length === 5);
  const { stderr, exitCode } = await serving.stop();
  expect(exitCode).toBe(0);
  const notes = stderr.split("\n").filter((line) => line.includes("$SRV"));
  expect(notes.map((note) => JSON.parse(note).msg)).toEqual([
    '`nats micro` does not find the services: user "u": no permission to subscribe to $SRV.PING',
  ]);
});
