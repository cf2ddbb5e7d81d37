import { stat } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { runCommand } from "../../support/run-command.ts";
import { serve } from "../../support/serving.ts";
import { until } from "../../support/until.ts";
import { startSimulator, temporaryFile } from "./test-simulator.ts";

/** Where nobody listens: what tries to reach a broker fails. */
const noBroker = "nats://127.0.0.1:1";

describe("serve gateway", () => {
  it("needs no broker, says where it is and what it has booked, and exits 0 when it is stopped", async () => {
    const ledger = await temporaryFile("deep/down/ledger.ndjson");
    const serving = serve(noBroker, `gateway --gateway-port 0 --ledger ${ledger}`);
    await until(() => serving.stdout().includes("\n"));
    expect(serving.stdout()).toMatch(
      new RegExp(`^serving gateway at http://127.0.0.1:\\d+, 0 entries in ${ledger} - stop with Ctrl-C\n$`),
    );
    const ran = await serving.stop();
    expect(ran).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(ran.stderr)).toMatchObject({ level: "info", service: "gateway" });
  });

  it("books in our state folder where no other file is named", async () => {
    const home = await temporaryFile("state");
    const serving = serve(noBroker, "gateway --gateway-port 0 --json", { XDG_STATE_HOME: home });
    await until(() => serving.stdout().includes("\n"));
    const ledger = `${home}/orderctl/gateway-ledger.ndjson`;
    expect(JSON.parse(serving.stdout())).toMatchObject({ kind: "gateway", data: { ledger, entries: 0 } });
    expect((await stat(ledger)).size).toBe(0);
    await serving.stop();
  });

  it("names the flag where the port is taken, and leaves its ledger to others", async () => {
    const { url } = await startSimulator();
    const ledger = await temporaryFile("ledger.ndjson");
    const ran = await runCommand(`serve gateway --gateway-port ${new URL(url).port} --ledger ${ledger}`);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain("--gateway-port");
    await expect(stat(`${ledger}.lock`)).rejects.toThrow("ENOENT");
  });

  it.each([
    ["gateway --metrics-port 0", "the gateway alone has no metrics"],
    ["payment --gateway 127.0.0.1:8090", "expected a URL"],
    ["payment --gateway nats://127.0.0.1", "expected a URL"],
  ])("refuses serve %s", async (words, reason) => {
    const ran = await runCommand(`serve ${words} --server ${noBroker}`);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain(reason);
  });
});
