import { connect } from "node:net";
import { expect, it } from "vitest";
import { findCollector } from "../../src/cli/collector-address.ts";
import { until } from "../support/until.ts";
import { checkout, checkoutTrace, openCollectorWorld, send } from "./collector-world.ts";

it("finishes the requests under way when it is stopped, and takes no more", async () => {
  const { collector, connection, read } = await openCollectorWorld();
  const { hostname, port } = new URL(collector.url);
  const slow = connect(Number(port), hostname);
  let answer = "";
  slow.on("data", (chunk) => {
    answer += chunk;
  });
  const ended = new Promise((resolve) => slow.on("close", resolve));
  const head = `POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${checkout.length}\r\nexpect: 100-continue\r\n\r\n`;
  slow.write(head);
  await until(() => answer.includes("100 Continue"));
  const stopped = collector.stop(10_000);
  await until(async () => (await findCollector(connection)) === undefined);
  await until(() =>
    send(`${collector.url}/healthz`).then(
      () => false,
      () => true,
    ),
  );
  slow.write(checkout);
  await stopped;
  await ended;
  expect(answer).toMatch(/HTTP\/1\.1 200 OK/);
  expect(answer).toMatch(/connection: close/i);
  expect(await read(checkoutTrace)).toHaveLength(2);
  expect(collector.counts().spans).toBe(2);
});

it("cuts off at its deadline who does not finish", async () => {
  const { collector } = await openCollectorWorld();
  const { hostname, port } = new URL(collector.url);
  const slow = connect(Number(port), hostname);
  const ended = new Promise((resolve) => slow.on("close", resolve));
  let begun = false;
  slow.on("data", () => {
    begun = true;
  });
  slow.write(
    "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\r\n",
  );
  await until(() => begun);
  const startedAt = performance.now();
  await collector.stop(200);
  await ended;
  expect(performance.now() - startedAt).toBeLessThan(3000);
});

it.each([
  ["nothing", ""],
  ["half of its headers", "POST /v1/traces HTTP/1.1\r\nhost: lo"],
  [
    "a part of its body",
    "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
  ],
])("does not wait for who has sent %s, nor for who keeps a connection open", async (_what, sent) => {
  const { collector } = await openCollectorWorld();
  const { hostname, port } = new URL(collector.url);
  const idle = connect(Number(port), hostname);
  const answered = new Promise((resolve) => idle.once("data", resolve));
  idle.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
  const slow = connect(Number(port), hostname);
  slow.on("error", () => {});
  await new Promise((resolve) => slow.once("connect", resolve));
  slow.write(sent);
  await answered;
  const startedAt = performance.now();
  await collector.stop(15_000);
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

it("does not wait for a broker that hangs, and tells who sent spans to come again", async () => {
  const { collector, broker, post } = await openCollectorWorld({ patienceMs: 15_000 });
  process.kill(broker.pid, "SIGSTOP");
  const answer = post(checkout);
  // Answered by the same process, so that the spans are on their way to the broker by then.
  await send(`${collector.url}/healthz`);
  const startedAt = performance.now();
  await collector.stop(15_000);
  expect(performance.now() - startedAt).toBeLessThan(5000);
  expect((await answer).status).toBe(503);
  process.kill(broker.pid, "SIGCONT");
});
