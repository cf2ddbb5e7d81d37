import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startArchiver } from "../../src/archive/archiver.ts";
import { openDirectoryStore } from "../../src/archive/directory-store.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import type { FlowLog } from "../../src/flow/flow.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readExtent } from "../../src/jetstream/streams/read-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const duckdb = await import("@duckdb/node-api").catch(() => undefined);

type Row = Record<string, unknown>;

/** The rows of a query, with plain numbers. */
async function ask(query: string): Promise<Row[]> {
  const instance = await duckdb?.DuckDBInstance.create();
  const connection = await instance?.connect();
  const reader = await connection?.runAndReadAll(query);
  return (reader?.getRowObjectsJson() ?? []) as Row[];
}

/** Moves all that the log holds into one segment. */
async function archiveAll(connection: Connection, folder: string): Promise<void> {
  const log = orderLog(connection);
  const { lastSequence } = await readExtent(connection, "ORDERS");
  const archive = new SegmentedLog(connection, log.flow, {});
  await archive.manifest.refresh();
  const archiver = startArchiver(log, archive, {
    store: openDirectoryStore(folder),
    keepMs: 0,
    segmentEvents: lastSequence - archive.manifest.movedTo,
    purgeEveryMs: 0,
    settleMs: 0,
    note: () => {},
  });
  onTestFinished(() => archiver.stop(5000));
  await until(() => archive.manifest.movedTo === lastSequence);
  await archiver.stop(5000);
}

/** By currency, in its order, what was paid for archived orders. */
async function paidIn({ archive, flow }: FlowLog<OrderEvent>): Promise<[string, number][]> {
  const paid = new Map<string, number>();
  const add = (event: OrderEvent) => {
    if (event.kind !== "payments" || event.status !== "APPROVED") return;
    const { currency, amountMinor } = event.total;
    paid.set(currency, (paid.get(currency) ?? 0) + amountMinor);
  };
  for await (const batch of archive.read({ from: 1, to: await archive.movedTo() }))
    for (const { subject, payload } of batch) add(flow.decode(subject, payload));
  return [...paid].sort();
}

const title = "DuckDB counts the orders, outcomes and amounts of the archive as the audit and the log do";
it.skipIf(!duckdb)(`${title} (skipped where it is not installed)`, async () => {
  const { broker, connection } = await brokerOfTest();
  const services = await startServices(connection, undefined, { defaultStock: 30 });
  onTestFinished(() => services.stop(0));
  const folder = await temporaryFolder();
  const log = orderLog(connection);
  for (const seed of [1, 2]) {
    const words = `publish order --count 200 --seed ${seed} --wait`;
    const published = await runCommand(`${words} --server ${broker.url}`);
    expect(published.exitCode, published.stderr).toBe(0);
    await archiveAll(connection, folder);
  }
  const [line] = (await runCommand(`audit --json --server ${broker.url}`)).lines();
  const audit = line?.data as unknown as { outcomes: Record<string, number>; orders: number };
  const files = `read_parquet('${join(folder, "orders/*/*.parquet")}', hive_partitioning = true)`;

  const [counted] = await ask(`
    select count(*) filter (kind = 'created') as orders, count(distinct date) > 0 as dated, max(sequence) as last,
      count(*) filter (kind = 'notifications' and status = 'SHIPPED') as shipped,
      count(*) filter (kind = 'notifications' and status = 'REFUNDED') as refunded
    from ${files}`);
  expect(counted).toMatchObject({ orders: "400", dated: true, last: String(await log.archive.movedTo()) });
  expect(audit.orders).toBe(400);
  expect([counted?.shipped, counted?.refunded].map(Number)).toEqual([
    audit.outcomes.SHIPPED,
    audit.outcomes.REFUNDED,
  ]);
  expect(audit.outcomes.REFUNDED).toBeGreaterThan(0);

  const revenue = await ask(`
    select currency, sum(amount_minor) as minor from ${files}
    where kind = 'payments' and status = 'APPROVED' group by currency order by currency`);
  expect(revenue.map(({ currency, minor }) => [currency, Number(minor)])).toEqual(await paidIn(log));

  const [most] = await ask(`
    select sku, count(*) as orders from (select unnest(skus) as sku from ${files} where kind = 'created')
    group by sku order by orders desc limit 1`);
  expect(Number(most?.orders)).toBeGreaterThan(1);
});
