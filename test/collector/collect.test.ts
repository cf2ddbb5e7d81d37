import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findCollector } from "../../src/cli/collector-address.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";
import { checkout, send } from "./collector-world.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** Runs `orderctl collect` until it is stopped, at the latest with the test; `url` is where it takes spans. */
async function collect(words = ""): Promise<{ url: string; stop(): Promise<Ran> }> {
  const { stop } = startCommand(`collect --port 0 --server ${broker.url} ${words}`.trim());
  let url = "";
  await until(async () => {
    url = (await findCollector(connection)) ?? "";
    return url !== "";
  });
  return { url, stop };
}

const post = (url: string) =>
  send(`${url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: checkout,
  });

describe("collect", () => {
  it("says where it takes spans and where they go, stops when it is told to, and says what it stored", async () => {
    const { url, stop } = await collect();
    expect((await post(url)).status).toBe(200);
    expect((await send(`${url}/v1/traces`, { method: "POST", body: "no" })).status).toBe(415);
    const ran = await stop();
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toBe(
      `collecting spans at ${url}/v1/traces into TRACES on ${broker.url} (kept 24h, at most 1.0 GiB) - stop with Ctrl-C\n`,
    );
    expect(ran.stderr).toMatch(
      /stopping: finishing what is under way[\s\S]*stored 2 spans, 1 request refused; TRACES holds 1 trace/,
    );
  });

  it("tells the same as JSON", async () => {
    const { url, stop } = await collect("--json --keep 24h --max-bytes 1GiB");
    const ran = await stop();
    expect(ran.lines()).toEqual([
      {
        kind: "collecting",
        version: 1,
        data: {
          endpoint: url,
          stream: "TRACES",
          broker: broker.url,
          keepMs: 86_400_000,
          maxBytes: 1_073_741_824,
          replicas: 1,
        },
      },
    ]);
  });

  it("exits 1 and says so where the port is taken", async () => {
    const { url } = await collect();
    const port = new URL(url).port;
    const ran = await runCommand(`collect --port ${port} --server ${broker.url}`);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
    expect(ran.stderr).toContain("--port");
  });

  it.each([
    ["--port 70000", "--port"],
    ["--keep 10ms", "at least 1s"],
    ["--keep soon", "--keep"],
    ["--max-bytes 5", "from 1MiB"],
    ["--max-bytes many", "--max-bytes"],
    ["--replicas 9", "1 to 5"],
  ])("%s exits 2 and says what is wrong", async (words, said) => {
    const ran = await runCommand(`collect ${words} --server ${broker.url}`);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain(said);
  });
});
