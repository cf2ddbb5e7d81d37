import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { announceProcess } from "../../src/flow/process-status.ts";
import { restoredHeader } from "../../src/flow/restored.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { event, ways } from "../orders/order-log.ts";
import { archiving } from "../support/archive-state.ts";
import { until } from "../support/until.ts";
import { ArchiveWorld } from "./archive-world.ts";

let world: ArchiveWorld;
/** What the log held when it was archived. */
let originals: StreamMessage[];

/** 30 messages of six orders, the 31st being a text with odd headers, in segments of 10; 32 stays in the stream. */
beforeAll(async () => {
  world = await ArchiveWorld.open();
  await world.log.store(...["a", "b", "c", "d", "e", "f"].flatMap(ways.SHIPPED));
  const headers = createHeaders();
  headers.append("Color", "red");
  headers.append("Nats-Msg-Id", "m-1");
  headers.append("Size", "größer");
  await world.connection.nats.jetstream().publish("ORDERS.created.text", "no event", { headers });
  await world.log.store(...ways.DECLINED("g"));
  originals = await world.read("ORDERS");
  await world.archiveTo(30, 10);
  await world.archiveTo(31, 1);
  await world.purgeTo(31);
});

afterAll(() => world.close());

/** But for the mark of what came back into its own log. */
function content({ subject, payload, headers }: StreamMessage) {
  const { [restoredHeader]: _, ...others } = headers();
  return {
    subject: subject.slice(subject.indexOf(".") + 1),
    payload: Buffer.from(payload).toString("hex"),
    headers: others,
  };
}

/** The same messages, in the same order. */
const mustBeSame = (read: readonly StreamMessage[], from: number, to: number) =>
  expect(read.map(content)).toEqual(originals.slice(from - 1, to).map(content));

let copies = 0;
const newName = () => {
  copies += 1;
  return `COPY${copies}`;
};
const archivedTo = async () => (await world.segments()).at(-1)?.to ?? 0;

describe("archive restore, into a stream of another name", () => {
  it("stores all archived messages again, in order, with headers and payloads as they were", async () => {
    const to = await archivedTo();
    const name = newName();
    const ran = await world.archive(`restore --to ${name}`, { columns: 500 });
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ran.stdout).toMatch(
      new RegExp(`^${to} messages, 1 to ${to} of the archive, are in stream ${name}: ${to} stored, in `),
    );
    mustBeSame(await world.read(name), 1, to);
    expect((await world.read(name))[30]?.headers()).toEqual({
      Color: "red",
      "Original-Nats-Msg-Id": "m-1",
      Size: "größer",
    });
  });

  it("stores a range", async () => {
    const name = newName();
    const ran = await world.archive(`restore --to ${name} --from-seq 8 --to-seq 23 --json`);
    expect(ran.lines()[0]?.data).toMatchObject({ read: 16, stored: 16, from: 8, to: 23, isLog: false });
    mustBeSame(await world.read(name), 8, 23);
  });

  it("goes on where it was interrupted, and stores nothing twice", async () => {
    const to = await archivedTo();
    const name = newName();
    await world.archive(`restore --to ${name}`);
    const { streams } = world.connection.jsm;
    for (const sequence of [5, to - 1, to]) await streams.deleteMessage(name, sequence);
    const again = await world.archive(`restore --to ${name} --json`);
    expect(again.lines()[0]?.data).toMatchObject({ read: to, stored: 3, alreadyThere: to - 3 });
    const once = await world.archive(`restore --to ${name} --json`);
    expect(once.lines()[0]?.data).toMatchObject({ read: to, stored: 0, alreadyThere: to });
    expect((await world.read(name)).length).toBe(to);
  });

  it("refuses a stream that holds anything else", async () => {
    const name = newName();
    await world.archive(`restore --to ${name} --from-seq 5 --to-seq 9`);
    const ran = await world.archive(`restore --to ${name} --from-seq 6`);
    expect(ran).toMatchObject({ exitCode: 1, stdout: "" });
    expect(ran.stderr).toMatch(
      /^error: stream COPY\d holds other messages than 6 to \d+ of the archive: its message 1 is /,
    );
    expect((await world.read(name)).length).toBe(5);
  });

  it("refuses a stream that holds another content under a subject of the archive", async () => {
    const name = newName();
    await world.archive(`restore --to ${name} --to-seq 4`);
    await world.connection.nats.jetstream().publish(`${name}.notifications.a`, "another");
    const ran = await world.archive(`restore --to ${name}`);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain(
      `stream ${name} holds another ${name}.notifications.a than the archive, which has it as message 5`,
    );
  });

  it("knows no message that is not archived", async () => {
    const ran = await world.archive("restore --to NEVER --to-seq 999");
    expect(ran.exitCode).toBe(4);
    expect(ran.stderr).toMatch(/messages 1 to 999 are not all archived\n {2}the archive holds 1 to /);
    expect((await world.archive("restore --to NEVER --from-seq 9 --to-seq 8")).exitCode).toBe(2);
  });

  it("is not for the log whose archive it is", async () => {
    const ran = await world.archive("restore --to ORDERS");
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain("what is archived of it needs no restoring");
  });
});

describe("archive restore, at a rebuilt broker", () => {
  let rebuilt: ArchiveWorld;
  const restore = (words = "") =>
    rebuilt.archive(`restore --to ORDERS --from-store ${world.folder} ${words}`.trim(), { columns: 500 });

  beforeEach(async () => {
    rebuilt = await ArchiveWorld.open();
    return () => rebuilt.close();
  });

  it("brings the log back from the store alone, and the audit proves it", async () => {
    const ran = await restore("--to-seq 30 --incomplete");
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ran.stdout).toMatch(
      /^30 messages, .* are in stream ORDERS: 30 stored.*\n\n.*orderctl audit --all$/m,
    );
    mustBeSame(await rebuilt.read("ORDERS"), 1, 30);
    const audit = await rebuilt.run("audit --all");
    expect(audit.stdout).toMatch(/^PASS {2}6 orders, each ended exactly once/);
    const again = await restore("--to-seq 30 --incomplete");
    expect(again.stdout).toContain("0 stored, 30 were there");
  });

  it("leaves out nothing at the end of the log, unless it is told to", async () => {
    const ran = await restore("--to-seq 29");
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toMatch(
      /^error: messages 30 to \d+ would be missing: services would work again .*\n {2}--incomplete restores/,
    );
    expect(await rebuilt.read("ORDERS")).toEqual([]);
  });

  it("says what to name where no manifest tells of an archive", async () => {
    const ran = await rebuilt.archive("restore --to ORDERS");
    expect(ran.exitCode).toBe(4);
    expect(ran.stderr).toMatch(
      /is archived\n {2}--from-store names the store of a log whose broker was lost/,
    );
    const none = await rebuilt.archive(`restore --to ORDERS --from-store ${rebuilt.folder}`);
    expect(none.exitCode).toBe(4);
    expect(none.stderr).toContain("there is no first entry of an archive of ORDERS in file:");
    expect((await rebuilt.archive("restore --to ORDERS --from-store s3://x")).exitCode).toBe(2);
  });

  it("names what creates the log without a service, where there is none", async () => {
    await rebuilt.connection.jsm.streams.delete("ORDERS");
    const ran = await restore();
    expect(ran.exitCode).toBe(4);
    expect(ran.stderr).toMatch(
      /^error: there is no stream ORDERS at .*\n {2}`orderctl topology apply` creates it/,
    );
  });

  it("refuses while a process that runs services is there", async () => {
    const announced = announceProcess(rebuilt.connection, () => archiving(null, { services: ["payment"] }));
    await rebuilt.connection.nats.flush();
    onTestFinished(() => announced.stop());
    const ran = await restore();
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(
      /^error: services may be working: keeper runs payment\n {2}stop every service/,
    );
    expect(await rebuilt.read("ORDERS")).toEqual([]);
  });

  it("refuses while somebody pulls from a consumer of the log", async () => {
    const { nats, jsm } = rebuilt.connection;
    await jsm.consumers.add("ORDERS", { durable_name: "foreign", ack_policy: "explicit" as never });
    nats.subscribe("_INBOX.foreign");
    const pull = JSON.stringify({ batch: 1, expires: 60e9 });
    nats.publish("$JS.API.CONSUMER.MSG.NEXT.ORDERS.foreign", pull, { reply: "_INBOX.foreign" });
    await until(async () => (await jsm.consumers.info("ORDERS", "foreign")).num_waiting > 0);
    const ran = await restore();
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(/^error: somebody takes messages of consumer foreign\n/);
    expect(await rebuilt.read("ORDERS")).toEqual([]);
  });

  it("follows the chain where two entries claim the same messages", async () => {
    const [, second] = await world.segments();
    const own = (second?.files.data.name ?? "").replace(".parquet", ".json");
    const entry = JSON.parse(readFileSync(join(world.folder, own), "utf8"));
    const overtaken = own.replace(/[0-9a-f]{8}\.json/, "00000000.json");
    entry.files.data.name = overtaken.replace(".json", ".parquet");
    writeFileSync(join(world.folder, overtaken), JSON.stringify(entry));
    onTestFinished(() => rmSync(join(world.folder, overtaken)));
    expect(await restore()).toMatchObject({ exitCode: 0, stderr: "" });
    mustBeSame(await rebuilt.read("ORDERS"), 1, await archivedTo());
  });

  it("tells where an entry is missing, and restores what is before it", async () => {
    const [, second] = await world.segments();
    const path = join(world.folder, (second?.files.data.name ?? "").replace(".parquet", ".json"));
    const text = readFileSync(path);
    rmSync(path);
    onTestFinished(() => writeFileSync(path, text));
    const ran = await restore();
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(/behind message 10 is missing in .*\n {2}--to-seq 10 restores/);
    expect((await restore("--to-seq 10")).exitCode).toBe(0);
    mustBeSame(await rebuilt.read("ORDERS"), 1, 10);
  });

  it("tells which messages are pruned, and restores what is behind them", async () => {
    const [first] = await world.segments();
    const path = join(world.folder, first?.files.data.name ?? "");
    const bytes = readFileSync(path);
    rmSync(path);
    onTestFinished(() => writeFileSync(path, bytes));
    const ran = await restore();
    expect(ran.exitCode).toBe(4);
    expect(ran.stderr).toMatch(
      /messages 1 to 10 were pruned: .*\n {2}--from-seq 11 restores what is behind them/,
    );
    expect((await restore("--from-seq 11")).exitCode).toBe(0);
    mustBeSame(await rebuilt.read("ORDERS"), 11, await archivedTo());
  });

  it("names the file that is not what was written, and stores nothing of it", async () => {
    const [, second] = await world.segments();
    const path = join(world.folder, second?.files.data.name ?? "");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(1));
    onTestFinished(() => writeFileSync(path, bytes));
    const ran = await restore();
    expect(ran.exitCode).toBe(3);
    expect(ran.stderr).toContain(`${second?.files.data.name} in ${world.url} is damaged`);
    expect(ran.stderr).toMatch(/10 messages were stored; to go on: orderctl archive restore --to ORDERS/);
    mustBeSame(await rebuilt.read("ORDERS"), 1, 10);
  });
});

describe("archive restore of a log of its own", () => {
  let own: ArchiveWorld;

  beforeEach(async () => {
    own = await ArchiveWorld.open();
    return () => own.close();
  });

  it("leaves out an archived repeat: the stream holds the order's first event already", async () => {
    await own.log.store(...ways.SHIPPED("a"));
    await own.archiveTo(5, 5);
    await own.purgeTo(5);
    await own.log.store(event("created", "a", { customerId: "another" }), ...ways.SHIPPED("b").slice(0, 4));
    await own.archiveTo(10, 5);
    const ran = await own.archive("restore --to COPY", { columns: 500 });
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^10 messages, .*: 9 stored, in .*\n1 message left out: a stream holds one/);
    expect((await own.read("COPY")).length).toBe(9);
    const again = await own.archive("restore --to COPY --json");
    expect(again.lines()[0]?.data).toMatchObject({ read: 10, stored: 0, repeats: 1, alreadyThere: 9 });
  });

  it("ends with Ctrl-C, tells how to go on, and goes on", async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `o-${index}`);
    await own.log.store(...ids.flatMap(ways.SHIPPED));
    const originals = (await own.read("ORDERS")).map(({ subject }) => subject);
    await own.archiveTo(1000, 20);
    const stop = new AbortController();
    const running = own.archive("restore --to COPY", { signal: stop.signal });
    const count = async () => (await own.connection.jsm.streams.info("COPY")).state.messages;
    await until(async () => (await count().catch(() => 0)) > 0);
    stop.abort();
    const ran = await running;
    expect(ran).toMatchObject({ exitCode: 130, stdout: "" });
    expect(ran.stderr).toMatch(
      /^error: interrupted; \d+ messages were stored\n {2}to go on: orderctl archive restore --to COPY --server /,
    );
    const before = await count();
    expect(before).toBeLessThan(1000);
    const again = await own.archive("restore --to COPY --json");
    expect(again.lines()[0]?.data).toMatchObject({ alreadyThere: before, stored: 1000 - before });
    const subjects = (await own.read("COPY")).map(({ subject }) => subject);
    expect(subjects).toEqual(originals.map((subject) => subject.replace("ORDERS", "COPY")));
    expect(readdirSync(own.folder)).toEqual(["orders"]);
  });
});
