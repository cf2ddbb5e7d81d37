import { rename } from "node:fs/promises";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { Manifest } from "../../src/archive/manifest.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { event, ways } from "../orders/order-log.ts";
import { type ArchiveFolder, archiveFolder, archiveLog, purgeArchived } from "../support/archive-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { until } from "../support/until.ts";

let connection: Connection;
let server: string;
let writer: LogWriter;
let folder: ArchiveFolder;
let services: RunningServices;
let isBroken: boolean;
/** The orders that were charged, each as often as it was. */
let charged: string[];

const gateway: PaymentGateway = {
  async charge({ orderId }) {
    if (isBroken) throw new OrderctlError("unprocessable", "no", { source: "message" });
    charged.push(orderId);
    return { status: "APPROVED", chargeId: `ch_${orderId}` };
  },
  refund: async ({ chargeId }) => ({ refundId: `re_${chargeId}` }),
};

beforeEach(async () => {
  const opened = await brokerOfTest();
  ({ connection } = opened);
  server = opened.broker.url;
  writer = await openLogWriter(connection);
  folder = await archiveFolder();
  isBroken = false;
  charged = [];
  services = await startServices(connection, undefined, { gateway });
});

afterEach(async () => {
  await services.stop(2000);
  writer.close();
});

const dlq = (words: string) => runCommand(`dlq ${words} --server ${server}`);
const letters = async () => (await readDeadLetters(orderLog(connection))).map(({ letter }) => letter);
const lastSequence = () => readLastSequence(connection, "ORDERS");

/** Starts the services anew, which would know of it only after a while: nothing is purged as soon as here. */
async function archiveAll(): Promise<void> {
  await services.stop(2000);
  await purgeArchived(connection, await archiveLog(connection, folder));
  services = await startServices(connection, undefined, { gateway });
}

/** Payment gives up on an order, which is archived as it is. */
async function giveUpOn(orderId: string): Promise<void> {
  isBroken = true;
  await writer.store(event("created", orderId));
  await until(async () => (await letters()).length === 1);
  isBroken = false;
  await archiveAll();
}

it("an order is redriven although it was archived meanwhile, and goes to its end", async () => {
  await giveUpOn("o-1");
  expect(await dlq("redrive 1")).toMatchObject({ exitCode: 0, stderr: "" });
  await writer.ended("o-1");
  await until(async () => (await letters())[0]?.state === "done");
  expect(charged).toEqual(["o-1"]);
});

// A provider forgets idempotency keys after some time, and the stream has forgotten the payment.
it("an order that was redriven before and is archived with all its events, is not charged again", async () => {
  await giveUpOn("o-1");
  await dlq("redrive 1");
  await writer.ended("o-1");
  await until(async () => (await letters())[0]?.state === "done");
  await archiveAll();
  const before = await lastSequence();
  expect((await dlq("redrive 1 --again")).stdout).toMatch(/^1 dead letter redriven/);
  await until(async () => (await letters())[0]?.redrives.length === 2);
  await until(async () => (await letters())[0]?.state === "done");
  expect(charged).toEqual(["o-1"]);
  expect(await lastSequence()).toBe(before);
});

it("nothing is redriven of which the archive cannot be read, and what it holds is compared", async () => {
  await giveUpOn("o-1");
  await rename(folder.path, `${folder.path}.away`);
  const away = await dlq("redrive 1");
  expect(away.exitCode).toBe(3);
  expect(away.stderr).toContain(folder.path);
  expect((await dlq("show 1")).exitCode).toBe(0);
  await rename(`${folder.path}.away`, folder.path);
  expect(await dlq("redrive 1 --dry-run")).toMatchObject({ exitCode: 0, stderr: "" });
});

it("a dead letter whose event was pruned is left alone, with the reason", async () => {
  await giveUpOn("o-1");
  const manifest = new Manifest(connection, "ORDERS");
  await manifest.refresh();
  for (const segment of manifest.segments) await manifest.markPruned(segment);
  const ran = await dlq("redrive 1");
  expect(ran.exitCode).toBe(0);
  expect(ran.stdout).toMatch(/^0 dead letters redriven\n\n1 left alone\n.*archived and pruned at /);
});

it("a repeat has nothing to be done about it: it is not redriven with others, and may be purged or removed", async () => {
  await writer.store(event("created", "o-1"));
  await writer.ended("o-1");
  await archiveAll();
  const first = await lastSequence();
  await writer.store(event("created", "o-1"));
  await until(async () => (await letters()).length === 1);
  const shown = await dlq("show 1");
  expect(shown.stdout).toContain("There is nothing to do. Away with it: orderctl dlq purge 1 --yes");
  expect(shown.stdout).not.toContain("dlq redrive");
  expect((await dlq("redrive --all")).stdout).toMatch(/1 left alone\n.*repeats an archived order/);
  const repeat = first + 1;
  const asked = await dlq(`remove-event ${repeat}`);
  expect(asked.stdout).toContain("it is a repeat of archived message 1");
  expect(asked.stdout).toContain("There is nothing to do: message 1 counts.");
  const removed = await dlq(`remove-event ${repeat} --yes`);
  expect(removed).toMatchObject({ exitCode: 0, stderr: "" });
  expect(removed.stdout).not.toContain("was never stored");
  expect(removed.stdout).toContain("orderctl dlq purge 1 --yes");
});

it("an archived message is not removed, also while the stream still holds it", async () => {
  await services.stop(2000);
  await writer.storeBytes("ORDERS.shipments.o-1", "x");
  await writer.store(...ways.SHIPPED("o-2"));
  const segment = await archiveLog(connection, folder, { to: 3 });
  for (const isPurged of [false, true]) {
    if (isPurged) await purgeArchived(connection, segment);
    const refused = await dlq("remove-event 1 --yes --force");
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("message 1 is archived and cannot be removed: ORDERS.shipments.o-1");
  }
  expect(await dlq("remove-event 99 --yes")).toMatchObject({ exitCode: 4 });
  await rename(folder.path, `${folder.path}.away`);
  onTestFinished(() => rename(`${folder.path}.away`, folder.path));
  expect(await dlq("remove-event 1 --yes")).toMatchObject({ exitCode: 3 });
});
