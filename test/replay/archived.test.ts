import { rename } from "node:fs/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readReplayStream } from "../../src/jetstream/streams/replay-streams.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { type ReplayOptions, replay } from "../../src/replay/replay.ts";
import { planReplay, type ReplaySelection } from "../../src/replay/selection.ts";
import type { ReplayTarget } from "../../src/replay/target.ts";
import { event, ways } from "../orders/order-log.ts";
import { archiveFolder, archiveLog, purgeArchived } from "../support/archive-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { MemoryArchive } from "../support/memory-archive.ts";
import { ReplayWorld } from "./replay-world.ts";

const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, index) => from + index);

describe("a replay of a log of which a part is archived", () => {
  let connection: Connection;
  let archive: MemoryArchive;
  let writer: LogWriter;

  beforeEach(async () => {
    ({ connection } = await brokerOfTest());
    writer = await openLogWriter(connection);
    onTestFinished(() => writer.close());
    archive = new MemoryArchive(connection);
    await writer.store(...ways.SHIPPED("o-1"), ...ways.DECLINED("o-2"), ...ways.REFUNDED("o-3"));
  });

  const plan = async (selection: ReplaySelection = {}) =>
    planReplay(archive.log, await readReplayStream(connection, "ORDERS"), selection);

  /** Replays to a list. `onMessage` is called after each message that came. */
  async function run(
    selection: ReplaySelection = {},
    { onMessage, ...options }: Partial<ReplayOptions> & { onMessage?: (count: number) => Promise<void> } = {},
  ) {
    const taken: StreamMessage[] = [];
    const target: ReplayTarget = {
      take(message, settle) {
        taken.push(message);
        settle();
        return onMessage?.(taken.length);
      },
      drain: async () => {},
      close: async () => {},
      result: () => ({ target: "none" }),
    };
    const { signal } = new AbortController();
    const planned = await plan(selection);
    const ran = await replay(archive.log, { plan: planned, target, speed: null, signal, ...options });
    return { ...ran, sequences: taken.map(({ sequence }) => sequence) };
  }

  it.each([
    0, 4, 8, 13,
  ])("is that of the whole log, in its order, where %d messages are archived", async (to) => {
    if (to > 0) await archive.moveTo(to);
    for (const isPurged of [false, true]) {
      if (isPurged) await archive.purge();
      const { sequences, report, failure } = await run();
      expect({ sequences, failure }).toEqual({ sequences: upTo(13), failure: undefined });
      expect(report).toMatchObject({ messages: 13, gone: 0, firstSequence: 1, lastSequence: 13 });
      expect(report.bySubject).toMatchObject({ "ORDERS.created.*": 3, "ORDERS.refunds.*": 1 });
      expect(report.resumeFromSequence).toBeNull();
    }
  });

  it("keeps to sequences, subjects, kinds and times in both parts", async () => {
    const times = new Map<number, number>();
    await archive.moveAndPurge(7);
    for await (const batch of archive.read({ from: 1, to: 7 }))
      for (const { sequence, storedAtUs } of batch) times.set(sequence, storedAtUs);
    expect((await run({ fromSequence: 3, toSequence: 9 })).sequences).toEqual(upTo(9, 3));
    expect((await run({ toSequence: 5 })).sequences).toEqual(upTo(5));
    expect((await run({ fromSequence: 10 })).sequences).toEqual(upTo(13, 10));
    expect((await run({ subject: "ORDERS.payments.*" })).sequences).toEqual([2, 7, 10]);
    expect((await run({ kinds: new Set(["created"]) })).sequences).toEqual([1, 6, 9]);
    expect((await run({ sinceUs: times.get(5) ?? 0 })).sequences).toEqual(upTo(13, 5));
    expect((await run({ untilUs: times.get(6) ?? 0 })).sequences).toEqual(upTo(6));
    const later = (times.get(7) ?? 0) + 1;
    expect((await run({ sinceUs: later })).sequences).toEqual(upTo(13, 8));
    expect((await run({ sinceUs: later + 1e12 })).sequences).toEqual([]);
  });

  it.each<[string, ReplaySelection, number[]]>([
    ["by its id", { orderId: "o-2" }, [6, 7, 8]],
    ["by its subject", { subject: "ORDERS.*.o-2" }, [6, 7, 8]],
    ["and of one kind", { subject: "ORDERS.payments.o-2" }, [7]],
    ["from a sequence on", { orderId: "o-2", fromSequence: 7 }, [7, 8]],
    ["up to a sequence", { orderId: "o-2", toSequence: 6 }, [6]],
  ])("looks one order up, %s, and reads nothing else of the archive", async (_, selection, sequences) => {
    await archive.moveAndPurge(7);
    expect((await run(selection)).sequences).toEqual(sequences);
    await archive.moveAndPurge(13);
    expect((await run(selection)).sequences).toEqual(sequences);
    expect(archive.reads).toEqual([]);
  });

  // What was moved since the replay began used to count as gone.
  it.each<[string, ReplaySelection]>([
    ["from the first message on", {}],
    ["from a later one on", { fromSequence: 2 }],
    ["of one kind", { subject: "ORDERS.*.*" }],
  ])("reads what is moved while it goes on, %s", async (_, selection) => {
    for (const index of upTo(5000)) void writer.store(event("created", `many-${index}`));
    await expect.poll(async () => (await readReplayStream(connection, "ORDERS")).lastSequence).toBe(5013);
    const { sequences, report } = await run(selection, {
      onMessage: async (count) => {
        if (count === 10) await archive.moveAndPurge(5000);
      },
    });
    expect(sequences).toEqual(upTo(5013, selection.fromSequence));
    expect(report).toMatchObject({ gone: 0, resumeFromSequence: null });
  });

  it("tells what is gone that was not archived, and nothing else", async () => {
    await archive.moveAndPurge(4);
    await connection.jsm.streams.deleteMessage("ORDERS", 6);
    const before = await run();
    expect([before.report.gone, before.sequences]).toEqual([0, upTo(13).filter((each) => each !== 6)]);
    for (const index of upTo(5000)) void writer.store(event("created", `many-${index}`));
    await expect.poll(async () => (await readReplayStream(connection, "ORDERS")).lastSequence).toBe(5013);
    const { report } = await run(
      {},
      {
        onMessage: async (count) => {
          if (count !== 10) return;
          await connection.jsm.streams.deleteMessage("ORDERS", 5010);
          await archive.moveAndPurge(4000);
        },
      },
    );
    expect(report.gone).toBe(1);
  });

  it("goes on where it ended, in the archive too", async () => {
    await archive.moveAndPurge(8);
    const stop = new AbortController();
    const { report, failure, sequences } = await run(
      {},
      { signal: stop.signal, onMessage: async (count) => void (count === 3 && stop.abort()) },
    );
    expect(failure).toMatchObject({ code: "interrupted" });
    expect([sequences, report.resumeFromSequence]).toEqual([upTo(3), 4]);
    const rest = await run({ fromSequence: 4, toSequence: report.toSequence });
    expect(rest.sequences).toEqual(upTo(13, 4));
  });

  it("ends where the archive cannot be read, and goes on there", async () => {
    await archive.moveAndPurge(8);
    archive.isAway = true;
    const { failure, report } = await run({ fromSequence: 3 });
    expect(failure).toMatchObject({ code: "unavailable", source: "store" });
    expect(report).toMatchObject({ messages: 0, gone: null, resumeFromSequence: 3 });
    expect((await run({ fromSequence: 9 })).sequences).toEqual(upTo(13, 9));
    await expect(run({ orderId: "o-2" })).resolves.toMatchObject({ failure: { code: "unavailable" } });
  });
});

describe("orderctl replay, of a log of which a part is archived", () => {
  const world = new ReplayWorld();

  async function archived(to: number): Promise<string> {
    const folder = await archiveFolder();
    await world.log.store(...ways.SHIPPED("a"), ...ways.SHIPPED("b").slice(0, 3));
    await purgeArchived(world.connection, await archiveLog(world.connection, folder, { to }));
    return folder.path;
  }

  it.each([2, 4, 7])("compares with what is archived, where that are %d messages", async (to) => {
    await archived(to);
    const ran = await world.replay("--service shipping");
    expect(ran).toMatchObject({ exitCode: 1, stderr: "" });
    expect(ran.stdout.split("\n")[0]).toBe("2 events: 0 the same outcome, 1 different, 1 not stored yet");
    expect(ran.stdout).toContain("a (event 3)  would be shipments");
  });

  it("copies both parts, with the headers of each message", async () => {
    await archived(4);
    const ran = await world.replay("--to REPLAY --create");
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^8 messages of ORDERS stored under REPLAY/);
    const copies = await world.read("REPLAY");
    expect(copies.map((copy) => copy.headers()["Orderctl-Origin"]?.split(";")[1])).toEqual(
      upTo(8).map((sequence) => `sequence=${sequence}`),
    );
    const again = await world.replay("--to REPLAY");
    expect(again.stdout).toMatch(/^nothing new: all 8 messages were there already/);
  });

  it("tells the command that goes on where the archive cannot be read", async () => {
    const path = await archived(4);
    await rename(path, `${path}.away`);
    onTestFinished(() => rename(`${path}.away`, path));
    const ran = await world.replay("--out - --from-seq 2");
    expect(ran.exitCode).toBe(3);
    expect(ran.stderr).toContain(path);
    expect(ran.stderr).toContain("go on with: orderctl replay ORDERS --from-seq 2 --to-seq 8 --out -");
  });
});
