import { describe, it } from "vitest";
import { isOlder } from "../../src/core/compare-versions.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { Bucket } from "../../src/jetstream/streams/bucket.ts";
import { readLast } from "../../src/jetstream/streams/read-message.ts";
import { scanStream } from "../../src/jetstream/streams/read-stream.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { countStored, createLog, textTo } from "../jetstream/streams/subject-log.ts";
import { until } from "../support/until.ts";
import { type Context, clusterOf, connectTo, publisherOf, refusesReplicas } from "./cluster-of-test.ts";

/** A log of which each node has a copy. */
async function startLog(context: Context, name: string) {
  const cluster = await clusterOf(context);
  await createLog(await connectTo(context, cluster.nodes), name, { num_replicas: 3 });
  await cluster.whenCurrent();
  const leader = await cluster.leaderOf(name);
  return { cluster, leader, followers: cluster.nodes.filter((node) => node !== leader) };
}

/** Adds words to an entry one at a time, as stock is changed: what a lost answer wrote is found there. */
async function addWords(bucket: Bucket, words: Iterable<string>, added: string[]): Promise<void> {
  const add = async (word: string): Promise<boolean> => {
    const { value = "", revision = 0 } = (await bucket.read("words")) ?? {};
    if (value.split(" ").includes(word)) return true;
    return (await bucket.write({ key: "words", value: `${value} ${word}`, revision })) !== undefined;
  };
  for (const word of words) {
    // Without a leader there is no answer for a while.
    await until(() => add(word).catch(() => false), 40_000);
    added.push(word);
  }
}

function* wordsUntil(stop: AbortSignal, prefix: string): Generator<string> {
  for (let index = 0; !stop.aborted; index += 1) yield `${prefix}/${index}`;
}

// Most of the time an election is waited for.
describe.concurrent("a stream on three nodes", { timeout: 180_000 }, () => {
  it("stores each message once although its leader is killed", async ({ expect, ...context }) => {
    const { cluster, leader } = await startLog(context, "KILL");
    const connection = await connectTo(context, cluster.nodes);
    const publisher = publisherOf(context, connection);
    const total = 5000;
    let settled = 0;
    const all = Array.from({ length: total }, async (_, index) => {
      const stored = await publisher.publish(textTo(`KILL.${index}`, `payload ${index}`));
      settled += 1;
      return stored;
    });
    await until(() => settled >= 1000);
    await leader.kill();
    expect(settled).toBeLessThan(total);
    // It used to give up within a second: for a stream without a leader nobody answers, and an election takes up to
    // ten.
    const outcomes = await Promise.all(all);
    expect(outcomes.filter(({ duplicate }) => duplicate)).toEqual([]);
    expect(new Set(outcomes.map(({ sequence }) => sequence)).size).toBe(total);
    expect(await countStored(connection, "KILL")).toBe(total);
  });

  it("is published to through another node when the publisher's own is frozen", async ({
    expect,
    ...context
  }) => {
    const { cluster, leader, followers } = await startLog(context, "FROZEN");
    const publisher = publisherOf(context, await connectTo(context, followers.slice(0, 1)));
    await publisher.publish(textTo("FROZEN.before"));
    await followers[0]?.pause();
    // It used to give up after 16 s, with a connection that nobody missed for four minutes.
    expect(await publisher.publish(textTo("FROZEN.after"))).toMatchObject({ duplicate: false });
    expect(await cluster.leaderOf("FROZEN")).toBe(leader);
  });

  it("holds what a refused duplicate is a duplicate of", async ({ expect, ...context }) => {
    const { cluster, leader, followers } = await startLog(context, "LOST");
    const connection = await connectTo(context, [leader]);
    const reads = connection.nats.subscribe("$JS.API.STREAM.MSG.GET.LOST", { callback: () => {} });
    await Promise.all(followers.map((node) => node.kill()));
    // The leader alone cannot store it. The newest servers refuse another all the same, older ones answer neither.
    connection.nats.publish("LOST.order", "proposed");
    const stored = publisherOf(context, connection).publish(textTo("LOST.order", "acknowledged"));
    if (!isOlder(leader.version, "2.15.0")) await until(() => reads.getReceived() > 0);
    // What it proposed ends with it, as the others elect another.
    await leader.kill();
    await Promise.all(followers.map((node) => node.restart()));
    await cluster.leaderOf("LOST");
    await leader.restart();
    expect(await stored).toMatchObject({ duplicate: false });
    const found = await readLast(connection, "LOST", "LOST.order");
    expect(Buffer.from(found?.payload ?? []).toString()).toBe("acknowledged");
    expect(await countStored(connection, "LOST")).toBe(1);
  });

  it("is read from its leader alone, never as a follower has seen it so far", async ({
    expect,
    ...context
  }) => {
    const { leader, followers } = await startLog(context, "READ");
    const connection = await connectTo(context, followers, 500);
    await publisherOf(context, connection).publish(textTo("READ.order"));
    expect(await readLast(connection, "READ", "READ.order")).toBeDefined();
    await leader.kill();
    const reading = readLast(connection, "READ", "READ.order");
    await expect(reading).rejects.toMatchObject({ exitCode: expect.toBeOneOf([3, 5]) });
  });

  it("is read at once by every new reader, though not each node knows it yet", async ({
    expect,
    ...context
  }) => {
    const { cluster } = await startLog(context, "READERS");
    const connections = await Promise.all(cluster.nodes.map((node) => connectTo(context, [node])));
    const [first] = connections;
    if (first) await publisherOf(context, first).publish(textTo("READERS.1"));
    // One in 75 used to get its message 45 s later.
    for (const connection of Array.from({ length: 100 }, () => connections).flat()) {
      const stop = new AbortController();
      const seen: string[] = [];
      const scan = { stream: "READERS", follow: true, signal: stop.signal };
      const reading = scanStream(connection, scan, ({ subject }) => void seen.push(subject));
      await until(() => seen.length > 0);
      stop.abort();
      await reading;
      expect(seen).toEqual(["READERS.1"]);
    }
  });

  it("is followed further although the node that reads it for us is killed", async ({
    expect,
    ...context
  }) => {
    const { cluster } = await startLog(context, "READER");
    const connection = await connectTo(context, cluster.nodes);
    const publisher = publisherOf(context, connection);
    const seen: string[] = [];
    const stop = new AbortController();
    const scan = { stream: "READER", follow: true, signal: stop.signal };
    const reading = scanStream(connection, scan, ({ subject }) => void seen.push(subject));
    await publisher.publish(textTo("READER.1"));
    await until(() => seen.length === 1);
    const [reader] = await connection.jsm.consumers.list("READER").next();
    await (await cluster.leaderOf("READER", reader?.name)).kill();
    await publisher.publish(textTo("READER.2"));
    // It used to take half a minute until the reader was missed, and as long again where there was no leader then.
    await until(() => seen.length > 1, 25_000);
    stop.abort();
    await reading;
    expect(seen).toEqual(["READER.1", "READER.2"]);
  });

  it.skipIf(refusesReplicas)(
    "loses no change of an entry whose leader is frozen, replaced and back",
    async ({ expect, ...context }) => {
      const cluster = await clusterOf(context);
      const connections = await Promise.all([1, 2].map(() => connectTo(context, cluster.nodes, 1000)));
      for (const connection of connections)
        await applyTopology(connection, flowTopology(orderShape, { replicas: 3 }));
      const buckets = connections.map(
        (connection) => new Bucket(connection, publisherOf(context, connection), "INVENTORY"),
      );
      const added: string[] = [];
      const whenAdded = (more: number) => {
        const enough = added.length + more;
        return until(() => added.length >= enough, 60_000);
      };
      const stop = new AbortController();
      // Without an end: a number of them was all added before the new leader was seen, and no more came to be counted.
      const adding = buckets.map((bucket, who) => addWords(bucket, wordsUntil(stop.signal, `${who}`), added));
      await whenAdded(100);
      const leader = await cluster.leaderOf("KV_INVENTORY");
      await leader.pause();
      await cluster.leaderOf("KV_INVENTORY");
      await whenAdded(50);
      leader.resume();
      await whenAdded(50);
      stop.abort();
      await Promise.all(adding);
      const entry = await buckets[0]?.read("words");
      expect(entry?.value.trim().split(" ").sort()).toEqual(added.sort());
    },
  );
});
