import { DiscardPolicy, headers } from "nats";
import { beforeEach, describe, expect, it } from "vitest";
import { isoTime } from "../../src/core/units.ts";
import { ways } from "../orders/order-log.ts";
import { readLog } from "../support/read-log.ts";
import { ReplayWorld } from "./replay-world.ts";

const world = new ReplayWorld();

/** Eleven events of three orders, and then a message that is none. */
beforeEach(async () => {
  await world.log.store(...ways.SHIPPED("a"), ...ways.DECLINED("b"), ...ways.DECLINED("c"));
  await world.log.storeBytes("ORDERS.created.broken", "\u00ff\u00ff");
});

describe("replay --to", () => {
  it("stores a copy of each message under the other prefix, as it was and in its order", async () => {
    const ran = await world.replay("ORDERS --to REPLAY --create");
    expect(ran.stderr).toBe("");
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout.split("\n")[0]).toMatch(
      /^12 messages of ORDERS stored under REPLAY \(stream REPLAY\) in /,
    );
    expect(ran.stdout).toMatch(/^ {2}ORDERS\.created\.\* +4$/m);
    const [originals, copies] = [await world.read("ORDERS"), await world.read("REPLAY")];
    expect(copies.map(({ subject }) => subject)).toEqual(
      originals.map(({ subject }) => subject.replace("ORDERS", "REPLAY")),
    );
    expect(copies.map(({ payload }) => [...payload])).toEqual(originals.map(({ payload }) => [...payload]));
  });

  it("keeps the headers, says where a copy comes from, and hands no trace on", async () => {
    const traceparent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
    const sent = headers();
    for (const [name, value] of Object.entries({
      traceparent,
      tracestate: "x=1",
      "Nats-Msg-Id": "m",
      own: "ä",
    }))
      sent.append(name, value);
    const { seq } = await world.connection.nats
      .jetstream()
      .publish("ORDERS.created.d", "x", { headers: sent });
    await world.replay(`--to REPLAY --create --from-seq ${seq}`);
    const [original] = (await world.read("ORDERS")).slice(-1);
    const [copy] = await world.read("REPLAY");
    expect(copy?.headers()).toEqual({
      own: "ä",
      "Original-Nats-Msg-Id": "m",
      "Orderctl-Origin": `stream=ORDERS;sequence=${seq};stored=${isoTime(original?.storedAtUs ?? 0)}`,
      "Orderctl-Origin-Traceparent": traceparent,
    });
  });

  // `constructor` used to come out with a function's text before it, and so did `toString`.
  it("keeps headers whose names every object knows", async () => {
    const odd = { constructor: "a", toString: "c" };
    const sent = headers();
    for (const [name, value] of Object.entries(odd)) sent.append(name, value);
    const js = world.connection.nats.jetstream();
    const { seq } = await js.publish("ORDERS.created.e", "x", { headers: sent });
    expect(await world.replay(`--to REPLAY --create --from-seq ${seq}`)).toMatchObject({ exitCode: 0 });
    const [copy] = await world.read("REPLAY");
    expect(copy?.headers()).toMatchObject(odd);
  });

  it("can be repeated: what the target holds is there already, with a word on what differs", async () => {
    await world.replay("--to REPLAY --create --to-seq 4");
    await world.connection.nats.jetstream().publish("REPLAY.notifications.b", "something else");
    expect((await world.summaryOf("--to REPLAY")).result).toEqual({
      target: "prefix",
      prefix: "REPLAY",
      streams: ["REPLAY"],
      stored: 7,
      alreadyThere: 5,
      differentThere: 1,
    });
    const again = await world.replay("--to REPLAY");
    expect(again.exitCode).toBe(1);
    expect(again.stdout).toMatch(
      /^nothing new: all 12 messages were there already, under REPLAY .*, 1 of them with another content\n/,
    );
    expect((await world.replay("--to REPLAY --order a")).exitCode).toBe(0);
    expect(await world.subjects("REPLAY")).toHaveLength(12);
  });

  it("takes the name of a stream for that stream's prefix", async () => {
    await world.connection.jsm.streams.add({ name: "ARCHIVE", subjects: ["archive.orders.>"] });
    await world.replay("--to ARCHIVE --order b");
    expect(await world.subjects("ARCHIVE")).toEqual([
      "archive.orders.created.b",
      "archive.orders.payments.b",
      "archive.orders.notifications.b",
    ]);
  });

  it("brings a log back from its copy", async () => {
    await world.replay("--to REPLAY --create");
    await world.connection.jsm.streams.purge("ORDERS");
    await world.replay("REPLAY --to ORDERS --subject REPLAY.*.a");
    expect((await readLog(world.connection)).map(({ event }) => event)).toEqual(ways.SHIPPED("a"));
  });

  it.each([
    "ORDERS",
    "ORDERS.again",
    "ORDERS.created",
  ])("refuses %s: it would read what it writes", async (to) => {
    const ran = await world.replay(`--to ${to} --create`);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain("ORDERS would be replayed into itself");
    expect(await world.subjects("ORDERS")).toHaveLength(12);
  });

  it("exits 3 where no stream listens, and says how to make one", async () => {
    for (const words of ["--to NOWHERE", "--to NOWHERE --dry-run"]) {
      const ran = await world.replay(words);
      expect([ran.exitCode, ran.stdout]).toEqual([3, ""]);
      expect(ran.stderr).toContain("no stream stores what is published under NOWHERE\n  --create makes one");
    }
  });

  it("says where it ended and how to go on, where the target takes no more", async () => {
    const limited = { name: "SMALL", subjects: ["SMALL.>"], max_msgs: 3, discard: DiscardPolicy.New };
    await world.connection.jsm.streams.add(limited);
    const ran = await world.replay("--to SMALL --window 1 --json");
    expect(ran.exitCode).toBe(3);
    expect(ran.stderr).toContain("maximum messages exceeded");
    expect(ran.lines()[0]?.data).toMatchObject({
      result: { stored: 3 },
      resumeFromSequence: 4,
      resumeCommand: `orderctl replay ORDERS --from-seq 4 --to-seq 12 --window 1 --to SMALL --server ${world.broker.url}`,
    });
  });
});
