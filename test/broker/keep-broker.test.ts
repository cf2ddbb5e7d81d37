import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { findBroker } from "../../src/broker/find-broker.ts";
import { keepBroker } from "../../src/broker/keep-broker.ts";
import { isBrokerAnswering } from "../../src/broker/probe.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { until } from "../support/until.ts";

async function start() {
  const storeDir = await mkdtemp(join(tmpdir(), "orderctl-kept-"));
  onTestFinished(() => rm(storeDir, { recursive: true, force: true }));
  const notes: string[] = [];
  const binary = await findBroker({ env: process.env });
  const broker = await keepBroker({ noAuth: true, binary, storeDir }, (text) => void notes.push(text));
  onTestFinished(() => broker.stop());
  /** Its process, by the file that it writes once it listens. */
  const readPid = async () => {
    const name = (await readdir(storeDir)).find((each) => each.endsWith(".ports"));
    return Number(/_(\d+)\.ports$/.exec(name ?? "")?.[1]);
  };
  return { broker, notes, readPid };
}

// The broker of `orderctl up` used to stay away once it had died, with all services waiting for it.
it("is there again after it was killed, at the same address and with what it had stored", async () => {
  const { broker, notes, readPid } = await start();
  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  await connection.jsm.streams.add({ name: "KEPT", subjects: ["kept"] });
  await connection.nats.jetstream().publish("kept", "one");
  for (const kill of [1, 2]) {
    process.kill(await readPid(), "SIGKILL");
    await until(() => notes.length === kill);
    await until(async () =>
      connection.jsm.streams.info("KEPT").then(
        () => true,
        () => false,
      ),
    );
    expect((await connection.jsm.streams.info("KEPT")).state.messages).toBe(1);
  }
  expect(notes[0]).toBe("nats-server ended by itself (SIGKILL); starting it again");
});

it("stays away once it was stopped", async () => {
  const { broker, notes } = await start();
  await broker.stop();
  expect(await isBrokerAnswering(broker.url)).toBeUndefined();
  await broker.stop();
  expect(notes).toEqual([]);
});
