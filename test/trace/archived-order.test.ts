import { rename } from "node:fs/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Manifest } from "../../src/archive/manifest.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { event, ways } from "../orders/order-log.ts";
import { type ArchiveFolder, archiveFolder, archiveLog, purgeArchived } from "../support/archive-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { until } from "../support/until.ts";

let connection: Connection;
let server: string;
let writer: LogWriter;
let folder: ArchiveFolder;

beforeEach(async () => {
  const opened = await brokerOfTest();
  ({ connection } = opened);
  server = opened.broker.url;
  writer = await openLogWriter(connection);
  onTestFinished(() => writer.close());
  folder = await archiveFolder();
});

const archive = async (to: number) => purgeArchived(connection, await archiveLog(connection, folder, { to }));
const trace = (words: string) => runCommand(`trace ${words} --server ${server}`, { columns: 100 });
const kinds = ["created", "payments", "reservations", "shipments", "notifications"];

const hex = "4bf92f3577b34da6a3ce929d0e0e4736";

describe.each([2, 5])("an order of which %d events are archived", (movedTo) => {
  beforeEach(async () => {
    await writer.store(...ways.SHIPPED("o-1"), ...ways.SHIPPED(hex));
    await archive(movedTo);
  });

  it("is traced whole", async () => {
    const ran = await trace("o-1 --json");
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    const hops = (ran.lines()[0]?.data as unknown as { hops: { kind: string; sequence: number }[] }).hops;
    expect(hops.map(({ kind, sequence }) => [sequence, kind])).toEqual(
      kinds.map((kind, index) => [index + 1, kind]),
    );
  });

  it("is followed to its end, without a repeat", async () => {
    if (movedTo < 5) await archive(5);
    await writer.store(event("created", "o-1"));
    const lines = (await trace("o-1 --follow --json")).lines();
    expect(lines.map(({ data }) => (data as { kind: string }).kind)).toEqual(kinds);
  });

  it("is never told to be unknown, or only a trace, where the archive cannot be read", async () => {
    await rename(folder.path, `${folder.path}.away`);
    onTestFinished(() => rename(`${folder.path}.away`, folder.path));
    for (const words of ["o-1", "o-1 --follow", `${hex} --json`]) {
      const ran = await trace(words);
      expect(ran).toMatchObject({ exitCode: 3, stdout: "" });
      expect(ran.stderr).toContain(folder.path);
    }
  });
});

it("tells of an order that was stored again after it was archived, and that there is nothing to do", async () => {
  await writer.store(...ways.SHIPPED("o-1"));
  await archive(5);
  await writer.store(event("created", "o-1"));
  const { exitCode, stdout } = await trace("o-1");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^order o-1 SHIPPED /);
  expect(stdout.replace(/\s+/g, " ")).toContain(
    "message 6 is left out, no event: ORDERS.created.o-1: it is a repeat of archived message 1; there is nothing to do: message 1 counts",
  );
});

it("follows an order from its archived events to those that come", async () => {
  await writer.store(...ways.SHIPPED("o-1").slice(0, 3));
  await archive(2);
  const following = startCommand(`trace o-1 --follow --json --server ${server}`);
  const lines = () => following.stdout().trimEnd().split("\n");
  await until(() => lines().length === 3);
  await writer.store(event("created", "o-1"), ...ways.SHIPPED("o-1").slice(3));
  await until(() => lines().length === 5);
  expect(await following.ended).toMatchObject({ exitCode: 0 });
  expect(lines().map((line) => JSON.parse(line).data.kind)).toEqual(kinds);
});

// It used to be told that there is no stream.
it("says of an order that was pruned from the archive when that was", async () => {
  await writer.store(...ways.SHIPPED("o-1"));
  await archive(5);
  const manifest = new Manifest(connection, "ORDERS");
  await manifest.refresh();
  const [segment] = manifest.segments;
  if (segment) await manifest.markPruned(segment);
  const ran = await trace("o-1");
  expect(ran).toMatchObject({ exitCode: 4, stdout: "" });
  expect(ran.stderr).toMatch(/messages 1 to 5 were archived and pruned at \d{4}-/);
});
