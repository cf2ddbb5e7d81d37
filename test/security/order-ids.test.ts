import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { startListening } from "./listening-command.ts";

let broker: TestBroker;
let connection: Connection;
let folder: string;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  folder = await mkdtemp(join(tmpdir(), "orderctl-ids-"));
  await applyTopology(connection, flowTopology(orderShape));
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

const isId = (text: string) => /^[A-Za-z0-9_-]{1,64}$/.test(text);

/** What a subject, a header, a path or a shell might make something else of. */
const hostile = fc.oneof(
  fc.constantFrom(
    ">",
    "*",
    "a.b",
    "a.>",
    ".",
    "..",
    "../created/x",
    "a b",
    "a\tb",
    "a\r\nPUB x 0\r\n\r\n",
    "a\u0000b",
    "$JS.API.STREAM.DELETE.ORDERS",
    "x".repeat(65),
    "ä",
    "a/b",
    "%2e%2e",
    "a%0d%0aPUB",
    "a;b",
    "a,b",
    '"a"',
    "__proto__.x",
    " ",
    "\u202e",
    "-",
  ),
  fc.string({ maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom("a", "Z", "0", "_", "-", ".", "*", ">", " ", "\r", "\n", "/", "%"),
    minLength: 1,
    maxLength: 70,
  }),
);

const subjects = async (): Promise<string[]> => {
  const { state } = await connection.jsm.streams.info("ORDERS", { subjects_filter: ">" });
  return Object.keys(state.subjects ?? {});
};

const mayBeStored = /^ORDERS\.created\.[A-Za-z0-9_-]{1,64}$/;
const streams = async () => (await connection.jsm.streams.names().next()).sort();

/** Whatever was tried: the log holds nothing but orders under ids, and the streams are those that were there. */
async function expectAllIsWell(before: string[]): Promise<void> {
  expect((await subjects()).filter((subject) => !mayBeStored.test(subject))).toEqual([]);
  expect(await streams()).toEqual(before);
}

it("an order id that is none is refused in a body and in a path of the order API", async () => {
  const { url } = await startListening(broker.url, "serve order --http-port 0");
  const before = await streams();
  const property = fc.asyncProperty(hostile, async (id) => {
    const body = JSON.stringify({ order_id: id, total_amount: "1.00" });
    const headers = { "content-type": "application/json" };
    const posted = await fetch(`${url}/orders`, { method: "POST", headers, body });
    // An empty id is none: the order gets one.
    const accepted = isId(id) || id === "";
    expect([200, 201, 409].includes(posted.status), `${posted.status} for ${JSON.stringify(id)}`).toBe(
      accepted,
    );
    if (!accepted) expect([400, 422]).toContain(posted.status);
    const got = await fetch(`${url}/orders/${encodeURIComponent(id)}`, {
      redirect: "error",
    });
    if (!isId(id)) expect([400, 404, 405, 414]).toContain(got.status);
  });
  await fc.assert(property, { numRuns: 300 });
  await expectAllIsWell(before);
});

it("nor does one pass in a row of CSV or NDJSON", async () => {
  const before = await streams();
  const property = fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 40 }), async (ids) => {
    const ndjson = ids.map((order_id) => JSON.stringify({ order_id, total_amount: "1.00" }));
    const csv = ids.map((id) => `"${id.replaceAll('"', '""')}",c,1.00`);
    await writeFile(join(folder, "orders.ndjson"), ndjson.join("\n"));
    await writeFile(join(folder, "orders.csv"), `order_id,customer_id,total_amount\n${csv.join("\n")}\n`);
    for (const name of ["orders.ndjson", "orders.csv"]) {
      const words = ["publish", "order", "--file", join(folder, name), "--json", "-s", broker.url];
      const { exitCode, stderr } = await runCommand(words);
      expect([0, 6], stderr).toContain(exitCode);
    }
  });
  await fc.assert(property, { numRuns: 12 });
  await expectAllIsWell(before);
});

it("nor as an argument of trace and of dlq", async () => {
  const before = await streams();
  const isOption = (id: string) => id.startsWith("-");
  const property = fc.asyncProperty(
    hostile.filter((id) => !isOption(id)),
    async (id) => {
      for (const words of [
        ["trace", id],
        ["dlq", "show", id],
        ["dlq", "list", "--order", id],
        ["dlq", "redrive", "--order", id],
      ]) {
        const { exitCode, stdout, stderr } = await runCommand([...words, "-s", broker.url]);
        expect([0, 2, 4, 6], `${JSON.stringify(words)} ${stderr}`).toContain(exitCode);
        // What is told of it stays on its line: no control character of it reaches the terminal.
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(stdout + stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }
    },
  );
  await fc.assert(property, { numRuns: 60 });
  await expectAllIsWell(before);
});
