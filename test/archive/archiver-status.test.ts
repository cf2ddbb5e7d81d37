import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { type Archiver, startArchiver } from "../../src/archive/archiver.ts";
import type { SegmentStore } from "../../src/archive/segment-store.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { idleLog } from "../support/order-log.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  const log = await openLogWriter(connection);
  await log.store(...generateOrders(10, 1).orders);
  log.close();
  // Nobody is handed any of them: everything may be archived.
  for await (const { name } of connection.jsm.consumers.list("ORDERS"))
    await connection.jsm.consumers.delete("ORDERS", name);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

const refuse = async (): Promise<never> => {
  throw new OrderctlError("unavailable", "no space left", { source: "store" });
};

const fullStore: SegmentStore = {
  url: "file:///full",
  write: refuse,
  open: refuse,
  remove: refuse,
  list: refuse,
  close: async () => undefined,
};

/** An archiver of the ten events, which are old enough at once. */
function archive(segmentEvents: number): Archiver {
  const log = idleLog(connection);
  const segments = new SegmentedLog(connection, log.flow, {});
  const options = {
    store: fullStore,
    keepMs: 0,
    segmentEvents,
    purgeEveryMs: 0,
    settleMs: 0,
    note: () => {},
  };
  const archiver = startArchiver(log, segments, options);
  onTestFinished(() => archiver.stop(1000));
  return archiver;
}

it("tells what is to go, and for how long it has been due, also while its store fails", async () => {
  const archiver = archive(10);
  await until(() => archiver.problems().length > 0);
  expect(archiver.problems()).toMatchObject([{ text: expect.stringContaining("no space left") }]);
  const { lagMs = 0, ...status } = archiver.status() ?? {};
  expect(status).toEqual({
    ...{ movedTo: 0, movedToUs: null, firstSequence: 1, segments: 0, bytes: 0, behind: 10 },
    heldBack: undefined,
  });
  expect(lagMs).toBeGreaterThan(0);
  await until(() => (archiver.status()?.lagMs ?? 0) > lagMs + 50);
});

it("is behind by no time with a segment that is not whole", async () => {
  const archiver = archive(11);
  await until(() => archiver.status() !== undefined);
  expect(archiver.status()).toMatchObject({ behind: 10, lagMs: 0 });
});
