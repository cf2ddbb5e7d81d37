import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DeadLetter, readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { countStored } from "../jetstream/streams/subject-log.ts";
import { created } from "../support/handler-context.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let services: RunningServices;

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const dlq = (words: string) => runCommand(`dlq ${words} --server ${broker.url}`);
const countLetters = async () => (await readDeadLetters(orderLog(connection))).length;

async function publish(orderId: string, payload: Uint8Array, count: number): Promise<void> {
  const headers = createHeaders();
  headers.set("traceparent", traceparent);
  await connection.nats.jetstream().publish(`ORDERS.created.${orderId}`, payload, { headers });
  await until(async () => (await countLetters()) === count);
}

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await services?.stop(2000);
  await connection.close();
  await broker.stop();
});

describe("dlq, where nothing ever ran", () => {
  it("lists none and finds none", async () => {
    expect(await dlq("list")).toMatchObject({ exitCode: 0, stdout: "no dead letters\n", stderr: "" });
    expect(await dlq("list --json")).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await dlq("redrive --all")).toMatchObject({ exitCode: 0, stdout: "no dead letters to redrive\n" });
    const shown = await dlq("show 1");
    expect(shown).toMatchObject({ exitCode: 4, stdout: "" });
    expect(shown.stderr).toMatch(/^error: no dead letter 1 at nats:/);
  });
});

describe("dlq", () => {
  beforeAll(async () => {
    services = await startServices(connection);
    await publish(
      "text",
      Buffer.from("this is\u0007 no \u001b[31mprotobuf, and rather longer than a line"),
      1,
    );
    await publish("other", encodeEvent(created), 2);
    await publish("b$d", encodeEvent(created), 3);
  });

  it("says first how many there are, then lists them, newest first", async () => {
    const { exitCode, stdout } = await dlq("list");
    expect(exitCode).toBe(0);
    const [answer, , head, ...rows] = stdout.trimEnd().split("\n");
    expect(answer).toBe("3 dead letters");
    expect(head).toMatch(/^when +no\. {2}service {2}order +attempts {2}reason$/);
    expect(rows[0]).toMatch(
      /^20..-..-.. ..:..:..Z +3 {2}payment {2}ORDERS\.created\.b\$d +1 {2}bad_message$/,
    );
    expect(rows[1]).toMatch(/ 2 {2}payment {2}other +1 {2}bad_message$/);
    expect(rows.at(-1)).toBe("Why, and what it was: orderctl dlq show 3");
  });

  it("filters, limits, and says what it left out", async () => {
    expect((await dlq("list --order other")).stdout).toMatch(/^1 dead letter\n/);
    expect((await dlq("list --service inventory")).stdout).toBe("no dead letters\n");
    expect((await dlq("list --reason timeout")).stdout).toBe("no dead letters\n");
    expect((await dlq("list --since 1h")).stdout).toMatch(/^3 dead letters\n/);
    expect((await dlq("list --since 1ms")).stdout).toBe("no dead letters\n");
    const limited = await dlq("list --limit 1");
    expect(limited.stdout).toMatch(/^3 dead letters\n/);
    expect(limited.stdout).toContain("\n2 more; --limit shows them\n");
    const json = await dlq("list --limit 2 --json");
    expect(json.lines().map(({ kind }) => kind)).toEqual(["dead-letter", "dead-letter"]);
    expect(json.lines()[1]?.data).toMatchObject({
      sequence: 2,
      state: "open",
      reason: "bad_message",
      orderId: "other",
      service: "payment",
      consumer: "payment-processor",
      subject: "ORDERS.created.other",
      attempts: 1,
      redrives: [],
    });
  });

  it("shows a message that is no event byte by byte, and lets none of its bytes reach the terminal", async () => {
    const { stdout } = await dlq("show text");
    expect(stdout).toMatch(/^dead letter 1: order text\nbad_message: ORDERS\.created\.text: /);
    expect(stdout).toContain(`header     traceparent: ${traceparent}\n`);
    expect(stdout).toMatch(/stored {5}20.* as ORDERS\.created\.text, message 1 of ORDERS\n/);
    expect(stdout).toContain("0000  74 68 69 73 20 69 73 07 20 6e 6f 20 1b 5b 33 31  this is. no .[31\n");
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toContain("orderctl trace 0af7651916cd43dd8448eb211c80319c\n");
    expect(stdout).toContain("It would only fail again. Away with it: orderctl dlq purge 1 --yes\n");
    const [line] = (await dlq("show 1 --json")).lines();
    expect(line).toMatchObject({
      kind: "dead-letter-detail",
      data: { event: null, fault: expect.stringContaining("not readable"), headers: { traceparent } },
    });
  });

  it("redrives what cannot be read only when it is named, and says that it will fail again", async () => {
    const all = await dlq("redrive --all --dry-run");
    expect(all.stdout).toMatch(/^0 dead letters would be redriven\n\n3 left alone\n/);
    expect(all.stdout).toContain("cannot be read as an event and would only fail again");
    const named = await dlq("redrive 1 --dry-run");
    expect(named.stdout).toMatch(
      /^1 dead letter would be redriven\n.*\nnot readable .* will fail again: 1\n$/,
    );
    expect((await dlq("list")).stdout).toMatch(/^3 dead letters\n/);
    expect((await dlq("redrive 1")).stdout).toContain("will fail again: 1\n");
    await until(async () => (await countLetters()) === 4);
    expect((await dlq("list --order text")).stdout).toMatch(
      /^1 dead letter\n(?:.*\n)+.* 4 {2}payment {2}text/,
    );
    expect((await dlq("show text")).stdout).toContain("before     dead letter 1, which was redriven\n");
  });

  it("purges only what is named, and only with --yes where nobody watches", async () => {
    const unsure = await dlq("purge --reason bad_message");
    expect(unsure).toMatchObject({ exitCode: 2, stdout: "" });
    expect(unsure.stderr).toContain("this deletes 3 of them for good");
    expect((await dlq("purge 2 --dry-run")).stdout).toBe(
      "1 dead letter would be purged\n  2  payment  other  bad_message\n",
    );
    expect((await dlq("purge 2 --yes")).stdout).toMatch(/^1 dead letter purged\n/);
    expect((await dlq("purge 2 --yes")).exitCode).toBe(4);
    expect((await dlq("purge --all --redriven --yes")).stdout).toMatch(/^3 dead letters purged\n/);
    expect((await dlq("list --redriven")).stdout).toBe("no dead letters\n");
    expect(await countStored(connection, "REDRIVES")).toBe(0);
  });

  it("exits 2 where it is not said which, or by something that is no number, and 4 for a number that is none", async () => {
    expect((await dlq("redrive")).exitCode).toBe(2);
    expect((await dlq("redrive text")).stderr).toContain('"text" is not the number of a dead letter');
    expect((await dlq("redrive 99")).exitCode).toBe(4);
    expect((await dlq("show nobody")).exitCode).toBe(4);
    expect((await dlq("list --limit none")).exitCode).toBe(2);
  });
});

describe("dlq, among whose messages are some that are none", () => {
  const foreign = async (subject: string, mark?: string) => {
    const headers = createHeaders();
    if (mark !== undefined) headers.set("Orderctl-Dead-Letter", mark);
    await connection.nats.jetstream().publish(`DEAD_LETTERS.${subject}`, "x", { headers });
  };

  it("lists them with the others, says why, redrives none and can purge them", async () => {
    const before = await countLetters();
    await foreign("payment.by-hand");
    await foreign("payment.damaged", '{"delivery":"1","origin":{"subject":"ORDERS.created.x"}}');
    await foreign("payment.null", '{"origin":null}');
    const { exitCode, stdout } = await dlq("list --redriven");
    expect([exitCode, stdout.split("\n")[0]]).toEqual([0, `${before + 3} dead letters`]);
    expect(stdout).toMatch(/payment +DEAD_LETTERS\.payment\.by-hand +0 +unreadable/);
    const letters = (await dlq("list --reason unreadable --json"))
      .lines()
      .map(({ data }) => data as DeadLetter);
    expect(letters.map(({ detail }) => detail)).toEqual([
      expect.stringContaining("not one of ours"),
      expect.stringContaining("not one of ours"),
      expect.stringContaining("it has none"),
    ]);
    const numbers = letters.map(({ sequence }) => sequence).join(" ");
    expect((await dlq(`show ${letters[2]?.sequence}`)).stdout).toContain("unreadable: ");
    expect((await dlq(`redrive ${numbers}`)).stdout).toContain("cannot be read as a dead letter");
    expect((await dlq(`purge ${numbers} --yes`)).stdout).toMatch(/^3 dead letters purged\n/);
    expect(await countLetters()).toBe(before);
  });
});
