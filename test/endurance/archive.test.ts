import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { Manifest } from "../../src/archive/manifest.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { ordersStream } from "../../src/orders/subjects.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { isDrained } from "../support/read-log.ts";
import { servingOfTest } from "../support/serving-of-test.ts";
import { size } from "../support/size.ts";
import { launch, orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { plotRun, summarize, watchLog } from "./archive-run.ts";

const rate = Number(process.env.ORDERCTL_RATE ?? size({ short: 300, long: 2000 }));
/** With the archiver, which has nothing to do for the first of these, then without it. */
const archived = size({ short: 30, long: 1800 });
const filling = size({ short: 10, long: 600 });
const alone = size({ short: 8, long: 180 });
const keepS = size({ short: 4, long: 120 });
const segmentEvents = size({ short: 500, long: 50_000 });
const everyS = size({ short: 2, long: 10 });
const picture = process.env.ORDERCTL_PLOT;

const seconds = alone + archived;
it(`holds the broker at the size of what is kept, and loses nothing, over ${seconds} s at ${rate} orders/s`, {
  timeout: (seconds + size({ short: 300, long: 3600 })) * 1000,
}, async ({ annotate }) => {
  const { broker, connection } = await brokerOfTest();
  const folder = await mkdtemp(join(tmpdir(), "orderctl-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const where = `--server ${broker.url}`;
  await servingOfTest(`payment inventory shipping notification --default-stock 1000000000 --json ${where}`);
  const archive = `--archive ${folder} --keep ${keepS}s --segment-events ${segmentEvents}`;
  const archiver = launch(`serve archive ${archive} --json ${where}`);
  onTestFinished(async () => void (await archiver.stop()));
  const count = rate * seconds;
  const publishing = orderctl(`publish order --count ${count} --rate ${rate} --json ${where}`);
  const watching = watchLog(connection, { pid: broker.pid, everyS });
  await wait(archived * 1000);
  const archivedToS = watching.samples.at(-1)?.atS ?? archived;
  expect(await archiver.stop()).toMatchObject({ exitCode: 0 });
  const published = await publishing;
  expect(published, published.stderr).toMatchObject({ exitCode: 0 });
  const samples = await watching.stop();
  await until(() => isDrained(connection), 60_000);
  const other = summarize(samples.filter(({ atS }) => atS > filling && atS <= archivedToS));
  const one = summarize(samples.filter(({ atS }) => atS > archivedToS + everyS && atS <= seconds));
  for (const [name, of] of figures) {
    const ratio = (other[of] / one[of]).toFixed(2);
    await annotate(
      `${name}: ${one[of].toFixed(1)} alone, ${other[of].toFixed(1)} with the archiver, ${ratio}`,
    );
  }
  await annotate(`broker at most ${Math.max(...samples.map(({ brokerMb }) => brokerMb)).toFixed(0)} MB`);
  if (picture) await writeFile(picture, plotRun(samples, archivedToS));
  // Everything that is older than is kept is gone from the broker, or on its way.
  const most = Math.max(...samples.map(({ eventsInLog }) => eventsInLog));
  expect(samples.at(-1)?.eventsArchived).toBeGreaterThan(0);
  expect(most).toBeLessThan(count * 5);
  const rest = launch(
    `serve archive --archive ${folder} --keep 1s --segment-events ${segmentEvents} --json ${where}`,
  );
  onTestFinished(async () => void (await rest.stop()));
  await until(async () => (await archivedShare(connection)) > 0.95, 600_000);
  await rest.stop();
  const startedAt = performance.now();
  expect(await orderctl(`audit ${where}`)).toMatchObject({ exitCode: 0 });
  const tookS = (performance.now() - startedAt) / 1000;
  await annotate(`audit, most of it archived: ${tookS.toFixed(1)} s`);
  const audit = await orderctl(`audit --all --json ${where}`);
  expect(audit, audit.stdout).toMatchObject({ exitCode: 0 });
  const whole = { verdict: "PASS", orders: count, ended: count };
  expect(JSON.parse(audit.stdout).data).toMatchObject(whole);
  await archiveTheRest(connection, folder, where);
  await broker.stop();
  const rebuilt = await brokerOfTest();
  const at = `--server ${rebuilt.broker.url}`;
  expect(await orderctl(`topology apply ${at}`)).toMatchObject({ exitCode: 0 });
  const restoredAt = performance.now();
  const restored = await orderctl(`archive restore --to ORDERS --from-store ${folder} ${at}`);
  expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
  await annotate(`restore: ${((performance.now() - restoredAt) / 1000).toFixed(0)} s`);
  const again = await orderctl(`audit --all --json ${at}`);
  expect(JSON.parse(again.stdout).data).toMatchObject(whole);
});

/** As one segment. */
async function archiveTheRest(connection: Connection, folder: string, where: string): Promise<void> {
  const manifest = new Manifest(connection, ordersStream);
  await manifest.refresh();
  const left = (await readLastSequence(connection, ordersStream)) - manifest.movedTo;
  if (left === 0) return;
  const last = launch(`serve archive --archive ${folder} --keep 1s --segment-events ${left} --json ${where}`);
  onTestFinished(async () => void (await last.stop()));
  await until(async () => (await archivedShare(connection)) === 1, 120_000);
  await last.stop();
}

async function archivedShare(connection: Connection): Promise<number> {
  const manifest = new Manifest(connection, ordersStream);
  await manifest.refresh();
  return manifest.movedTo / (await readLastSequence(connection, ordersStream));
}

const figures = [
  ["orders ended/s", "perS"],
  ["created to ended p50 ms", "p50"],
  ["created to ended p99 ms", "p99"],
  ["created to ended p99.9 ms", "p999"],
] as const;
