import { rename } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Segment } from "../../src/archive/manifest.ts";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { repeatOfArchived } from "../../src/flow/archived-log.ts";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLast } from "../../src/jetstream/streams/read-message.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { ordersStream, subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { type ArchiveFolder, archiveFolder, archiveLog, purgeArchived } from "../support/archive-log.ts";
import { approved, created } from "../support/handler-context.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { readLog } from "../support/read-log.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;
let folder: ArchiveFolder;
/** The orders that were charged, each as often as it was. */
let charged: string[];
let notes: string[];
let running: RunningServices[];

const gateway: PaymentGateway = {
  async charge({ orderId }) {
    charged.push(orderId);
    return { status: "APPROVED", chargeId: `ch_${orderId}` };
  },
  refund: async ({ chargeId }) => ({ refundId: `re_${chargeId}` }),
};

beforeEach(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  log = await openLogWriter(connection);
  folder = await archiveFolder();
  charged = [];
  notes = [];
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((services) => services.stop(2000)));
  log.close();
  await connection.close();
  await broker.stop();
});

const order = (orderId: string) => ({ ...created, orderId });
const letters = async () => (await readDeadLetters(orderLog(connection))).map(({ letter }) => letter);
const pathOf = ({ files }: Segment) => join(folder.path, files.keys.name);

async function start(names?: readonly string[]): Promise<RunningServices> {
  const note = (text: string) => void notes.push(text);
  const services = await startServices(connection, names, { gateway, note });
  running.push(services);
  return services;
}

const all = ["order", "payment", "inventory", "shipping", "notification"];

const archive = () => archiveLog(connection, folder);

async function passed(ms: number): Promise<void> {
  const startedAt = performance.now();
  await until(() => performance.now() - startedAt > ms);
}

async function archiveAndPurge(): Promise<Segment> {
  const segment = await archive();
  await purgeArchived(connection, segment);
  expect(await readLog(connection)).toEqual([]);
  return segment;
}

/** The order was stored again, was not worked on, and is one dead letter. */
async function mustBeRefused(orderId: string): Promise<void> {
  await until(async () => (await letters()).length > 0);
  expect(await letters()).toMatchObject([
    {
      orderId,
      reason: "repeat",
      service: "payment",
      attempts: 1,
      detail: expect.stringContaining(repeatOfArchived),
    },
  ]);
  expect(charged).toEqual([orderId]);
  expect((await readLog(connection)).map(({ event }) => event.kind)).toEqual(["created"]);
  expect(notes.filter((note) => note.includes(repeatOfArchived))).toHaveLength(1);
}

/** The order was not stored again. */
async function mustBeLeftAlone(orderId: string): Promise<void> {
  expect(await readLog(connection)).toEqual([]);
  expect(await letters()).toEqual([]);
  expect(charged).toEqual([orderId]);
}

async function post({ serving }: RunningServices, total = "10.00"): Promise<Response> {
  const body = JSON.stringify({ order_id: "o-1", total_amount: total });
  const headers = { "content-type": "application/json" };
  return fetch(`${serving.url}/orders`, { method: "POST", headers, body });
}

describe("an archived order that is stored once more", () => {
  it("by a program of somebody else", async () => {
    const before = await start();
    await log.store(order("o-1"));
    await log.ended("o-1");
    await before.stop(2000);
    await archiveAndPurge();
    await start();
    await connection.nats.jetstream().publish(subjectOf("created", "o-1"), encodeEvent(order("o-1")));
    await mustBeRefused("o-1");
  });

  it("by `publish order`", async () => {
    const before = await start();
    const publish = () => runCommand(`publish order --seed 7 --server ${broker.url}`);
    expect(await publish()).toMatchObject({ exitCode: 0 });
    const [{ event } = { event: created }] = await readLog(connection);
    await log.ended(event.orderId);
    await before.stop(2000);
    await archiveAndPurge();
    await start();
    const again = await publish();
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toMatch(/^nothing new: /);
    await mustBeLeftAlone(event.orderId);
  });

  it("by a request", async () => {
    const before = await start(all);
    expect((await post(before)).status).toBe(201);
    await log.ended("o-1");
    await before.stop(2000);
    await archiveAndPurge();
    const after = await start(all);
    const again = await post(after);
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ order_id: "o-1" });
    expect((await post(after, "11.00")).status).toBe(409);
    expect((await fetch(`${after.serving.url}/orders/o-1`)).status).toBe(200);
    await mustBeLeftAlone("o-1");
  });

  it("while the services run that worked on it", async () => {
    await start();
    await log.store(order("o-1"));
    await log.ended("o-1");
    const segment = await archive();
    // From then on everybody has to know of it.
    await passed(5000);
    await purgeArchived(connection, segment);
    await log.store(order("o-1"));
    await mustBeRefused("o-1");
  });

  it("of which `orderctl serve` and `dlq` tell, and which a redrive makes a dead letter again", async () => {
    await log.store(order("o-1"));
    await archiveAndPurge();
    await log.store(order("o-1"));
    serve(broker.url, "payment");
    await until(async () => (await letters()).length === 1);
    const dlq = (words: string) => runCommand(`dlq ${words} --server ${broker.url}`);
    expect((await dlq("list")).stdout).toMatch(/payment +o-1 +1 +repeat/);
    expect((await dlq("list --reason timeout")).stdout).toContain("no dead letters");
    expect((await dlq("show 1")).stdout).toContain(`${repeatOfArchived}, which began as message 1`);
    expect((await dlq("redrive 1")).exitCode).toBe(0);
    await until(async () => (await letters()).length === 2);
    expect(await letters()).toMatchObject([
      { reason: "repeat", redriveOf: 1, storedSequence: 2 },
      { reason: "repeat", state: "failed_again" },
    ]);
    expect(await readLast(connection, ordersStream, subjectOf("payments", "o-1"))).toBeUndefined();
  });
});

describe("while the archive cannot be read", () => {
  const away = (path: string) => rename(path, `${path}.away`);
  const back = (path: string) => rename(`${path}.away`, path);
  it("a service starts, says why it takes nothing, and takes all once it can be read", async () => {
    await log.store(order("o-1"));
    const path = pathOf(await archiveAndPurge());
    await away(path);
    await log.store(order("o-1"), order("o-2"));
    const services = await start();
    await passed(600);
    expect(charged).toEqual([]);
    expect(await letters()).toEqual([]);
    const told = { consumer: "payment-processor", text: expect.stringMatching(/^takes nothing: .*\.keys/) };
    expect(services.problems()).toMatchObject([told]);
    expect(notes).toEqual([expect.stringMatching(/^payment: takes nothing: /)]);
    await back(path);
    await log.ended("o-2");
    await until(async () => (await letters()).length === 1);
    expect(await letters()).toMatchObject([{ orderId: "o-1", reason: "repeat" }]);
    expect(charged).toEqual(["o-2"]);
    expect(services.problems()).toEqual([]);
  });

  it("nothing is published, no order is taken, and none is told to be missing", async () => {
    await log.store(order("o-1"));
    await away(pathOf(await archiveAndPurge()));
    const published = await runCommand(`publish order --count 1 --server ${broker.url}`);
    expect(published.exitCode).toBe(3);
    expect(published.stderr).toMatch(/cannot tell whether \S+ is archived: .*\.keys/);
    const services = await start(["order"]);
    expect((await post(services)).status).toBe(503);
    expect((await fetch(`${services.serving.url}/orders/o-1`)).status).toBe(503);
    const traced = await runCommand(`trace o-1 --server ${broker.url}`);
    expect(traced).toMatchObject({ exitCode: 3, stdout: "" });
    expect(traced.stderr).toMatch(/\.keys/);
    expect(await readLog(connection)).toEqual([]);
  });

  it("a running service pauses, and goes on afterwards", async () => {
    const services = await start();
    await log.store(order("o-1"));
    await log.ended("o-1");
    const path = pathOf(await archive());
    await away(path);
    await until(() => services.problems().length === 1, 15_000);
    // Pulls that were open before end within a second.
    await until(
      async () => (await connection.jsm.consumers.info(ordersStream, "payment-processor")).num_waiting === 0,
    );
    await log.store(order("o-2"));
    await passed(600);
    expect(await connection.jsm.consumers.info(ordersStream, "payment-processor")).toMatchObject({
      num_pending: 1,
      num_ack_pending: 0,
    });
    expect(charged).toEqual(["o-1"]);
    await back(path);
    await log.ended("o-2");
    expect(charged).toEqual(["o-1", "o-2"]);
    expect(notes.filter((note) => note.includes("takes nothing"))).toHaveLength(2);
  });
});

describe("a worker that was suspended", () => {
  /** Payment hangs in the charge of an order while another process ends the order, and all of it is archived. */
  async function overtaken(): Promise<{ services: RunningServices; goOn(): void }> {
    let goOn = () => {};
    const hanging = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const slow: PaymentGateway = {
      async charge(request) {
        await hanging;
        return gateway.charge(request);
      },
      refund: gateway.refund,
    };
    const services = await startServices(connection, ["payment"], {
      gateway: slow,
      note: (text) => void notes.push(text),
    });
    running.push(services);
    await log.store(order("o-1"));
    await until(() => services.counts()["payment-processor"]?.inFlight === 1);
    await log.store({ ...approved, orderId: "o-1" });
    return { services, goOn };
  }

  it("does not store once more what followed from an archived event", async () => {
    const { services, goOn } = await overtaken();
    await archiveAndPurge();
    // By then it knows what is archived.
    await passed(4500);
    goOn();
    await until(() => services.counts()["payment-processor"]?.failed === 1);
    expect(await readLog(connection)).toEqual([]);
    expect(await letters()).toEqual([]);
    expect(notes.join()).toContain("cannot store ORDERS.payments.o-1: it comes too late");
  });

  it("acknowledges an archived event whose outcome is still in the stream", async () => {
    const { services, goOn } = await overtaken();
    await archive();
    await passed(4500);
    goOn();
    await until(() => services.counts()["payment-processor"]?.duplicates === 1);
    expect(services.counts()["payment-processor"]).toMatchObject({ processed: 1, failed: 0 });
  });

  it("goes on with an archived event that led to nothing, as a consumer made anew is handed", async () => {
    await log.store(order("o-1"));
    await archive();
    const services = await start(["payment"]);
    await until(async () => (await readLast(connection, ordersStream, "ORDERS.payments.o-1")) !== undefined);
    expect(services.counts()["payment-processor"]).toMatchObject({ processed: 1, failed: 0 });
  });
});
