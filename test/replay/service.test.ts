import { describe, expect, it } from "vitest";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import type { ReplaySummary } from "../../src/replay/replay-report.ts";
import { event, ways } from "../orders/order-log.ts";
import { readLog } from "../support/read-log.ts";
import { startServices } from "../support/start-services.ts";
import { ReplayWorld } from "./replay-world.ts";

const world = new ReplayWorld();
const ids = Array.from({ length: 30 }, (_, index) => `o-${index}`);

/** What real services made of thirty orders: the half of them met an empty shelf. */
async function runPipeline(): Promise<void> {
  const services = await startServices(world.connection, undefined, { defaultStock: 30 });
  await world.log.store(...ids.map((id) => event("created", id)));
  await Promise.all(ids.map((id) => world.log.ended(id)));
  await services.stop(5000);
}

const resultOf = async (words: string): Promise<ReplaySummary["result"]> =>
  (await world.summaryOf(words)).result;

const stockOf = async () => (await world.connection.jsm.streams.info("KV_INVENTORY")).state.last_seq;

describe("replay --service", () => {
  it("comes to the same outcome as the services did, and stores nothing", async () => {
    await runPipeline();
    const before = await readLastSequence(world.connection, "ORDERS");
    const stock = await stockOf();
    const payment = await world.replay("--service payment --decline-share 0");
    expect(payment).toMatchObject({ exitCode: 0, stderr: "" });
    expect(payment.stdout.split("\n")[0]).toBe(
      "45 events: 45 the same outcome, 0 different; 15 more lead to nothing",
    );
    expect(await resultOf("--service shipping")).toMatchObject({ same: 15, nothing: 15, different: 0 });
    expect(await resultOf("--service notification")).toMatchObject({ same: 30, nothing: 30, missing: 0 });
    expect(await readLastSequence(world.connection, "ORDERS")).toBe(before);
    expect(await stockOf()).toBe(stock);
  });

  it("lists the first twenty that differ, field by field, and exits 1", async () => {
    await world.log.store(...ids.flatMap((id) => ways.SHIPPED(id).slice(0, 2)));
    const ran = await world.replay("--service payment --decline-share 1 --subject ORDERS.created.*");
    expect(ran.exitCode).toBe(1);
    const lines = ran.stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("30 events: 0 the same outcome, 30 different");
    const listed = lines.slice(lines.indexOf("not as stored:") + 1);
    expect(listed[0]).toMatch(
      /^ {2}o-\d+ \(event \d+\) {2}would be payments DECLINED: status "DECLINED" instead of "APPROVED", /,
    );
    expect(listed).toHaveLength(21);
    expect(listed.at(-1)).toBe("  and 10 more; --each tells them all");
  });

  it("tells of each event with --each, in JSON one line for each", async () => {
    await world.log.store(...ids.flatMap(ways.SHIPPED));
    const ran = await world.replay("--service shipping --order o-3 --each --json");
    expect(ran.lines().map(({ kind }) => kind)).toEqual(["replay-outcome", "replay-report"]);
    expect(ran.lines()[0]?.data).toMatchObject({ orderId: "o-3", subject: "ORDERS.reservations.o-3" });
  });

  it("counts what is not stored yet, and stores it with --store, once", async () => {
    await world.log.store(...ways.SHIPPED("late").slice(0, 3));
    const words = "--service shipping --order late";
    expect((await world.replay(words)).stdout.split("\n")[0]).toBe(
      "1 event: 0 the same outcome, 0 different, 1 not stored yet",
    );
    expect(await resultOf(`${words} --store`)).toMatchObject({ missing: 1, stored: 1, alreadyThere: 0 });
    expect(await resultOf(`${words} --store`)).toMatchObject({ missing: 0, same: 1, stored: 0 });
    const [shipment, ...others] = (await readLog(world.connection)).filter(
      (logged) => logged.event.kind === "shipments" && logged.event.orderId === "late",
    );
    const cause = (await world.read("ORDERS")).find(({ subject }) => subject === "ORDERS.reservations.late");
    expect(others).toEqual([]);
    expect(shipment?.hop).toMatchObject({ causeSequence: cause?.sequence, service: "shipping", attempt: 1 });
  });

  it("fails an event that cannot be read, goes on, and exits 1", async () => {
    await world.log.storeBytes("ORDERS.created.broken", "\u00ff");
    await world.log.store(event("created", "good"));
    const ran = await world.replay("--service payment --decline-share 0");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(/^2 events: 0 the same outcome, 0 different, 1 not stored yet, 1 failed\n/);
    expect(ran.stdout).toContain("  broken (event ");
  });

  it("takes a stored outcome that cannot be read for a difference", async () => {
    await world.log.store(event("created", "odd"));
    await world.log.storeBytes("ORDERS.payments.odd", "\u00ff");
    expect(await resultOf("--service payment --decline-share 0 --order odd")).toMatchObject({ different: 1 });
  });

  it.each([
    ["--service inventory", "what was on the shelf then is not in the log"],
    ["--service payment --store", "a charge moves money"],
    ["KV_INVENTORY --service payment", "events of ORDERS only"],
    ["--service order", "Allowed choices are payment, shipping, notification"],
    ["--store --dry-run", "--store is for --service"],
  ])("is refused for %j, with the reason", async (words, text) => {
    const ran = await world.replay(words);
    expect([ran.exitCode, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr).toContain(text);
  });
});
