import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readExtent } from "../../src/jetstream/streams/read-message.ts";
import { askServices } from "../support/ask-services.ts";
import { freePort } from "../support/free-ports.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { createFlowWorld, type FlowWorld } from "./flow-world.ts";

const module = join(import.meta.dirname, "../../fixtures/flows/claims/claims.ts");

let world: FlowWorld;
let metricsPort: number;

/** One broker, on which the claims and the orders are served. */
beforeAll(async () => {
  world = await createFlowWorld(module);
  metricsPort = await freePort();
  await world.serve(`all --metrics-port ${metricsPort}`);
  return () => world.close();
});

const opened = (claimId: string, amountMinor = 900) => ({
  claimId,
  policy: "p",
  amountMinor,
  currency: "EUR",
});

const data = async (words: string) =>
  JSON.parse((await world.run(`${words} --json`)).stdout.split("\n")[0] ?? "").data;

describe("a flow of one's own", () => {
  it("is published by hand, from a file, and as samples, and goes to its end", async () => {
    const one = await world.run(["publish", "opened", "--data", JSON.stringify(opened("a b.c")), "--wait"]);
    expect(one.stdout).toContain("1 claim stored");
    expect(one.stdout).toContain("1 claim ended: 0 refused, 1 closed");
    const folder = await temporaryFolder();
    const file = join(folder, "claims.ndjson");
    const rows = [
      opened("f-1"),
      opened("f-2", 100),
      { claimId: "f-3", amount: 1 },
      { policy: "p" },
      "text",
      opened("f-1"),
    ];
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join("\n"));
    const published = await world.run(`publish opened --file ${file} --wait`);
    expect(published.exitCode).toBe(6);
    expect(published.stdout).toContain("2 claims stored");
    expect(published.stdout).toContain("1 was already stored");
    expect(published.stdout).toContain(
      `${file}:3: no event of kind opened: claims.v1.ClaimOpened has no field amount`,
    );
    expect(published.stdout).toContain(`${file}:4: an event of kind opened has no claimId, which is its key`);
    expect(published.stdout).toContain(`${file}:5: it is no JSON object`);
    const many = await world.run("publish opened --count 200 --wait");
    expect(many.stdout).toContain("200 claims ended: 16 refused, 184 closed");
  });

  it("is measured: what was called, and how its keys ended", async () => {
    const scraped = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(scraped).toMatch(/orderctl_call_duration_seconds_count\{.*call="bank".*\} \d/);
    expect(scraped).toMatch(/orderctl_keys_ended_total\{.*flow="claims".*outcome="refused".*\} 17/);
    expect(scraped).toMatch(/orderctl_key_duration_seconds_count\{.*outcome="closed".*\} \d/);
  });

  it("tells a trace, by its words", async () => {
    const trace = await world.run("trace c-7");
    expect(trace.stdout).toMatch(/^claim c-7 CLOSED in /);
    for (const service of ["claims_assess", "claims_payout", "claims_close"])
      expect(trace.stdout).toContain(service);
    expect((await data("trace c-2")).outcome).toBe("REFUSED");
    expect((await world.run("trace a%20b%2Ec")).exitCode).toBe(0);
    expect((await world.run("trace none")).stderr).toContain("holds no event of claim none");
  });

  it("is audited, with what it promises itself", async () => {
    const audit = await world.run("audit");
    expect(audit.stdout).toMatch(/^PASS {2}203 claims, each ended exactly once\n/);
    expect(audit.stdout).toContain("✓ no paid without assessed COVERED");
    await world.storeByHand("CLAIMS.paid.c-2", { claimId: "c-2", payoutId: "forged" }, "claims.v1.ClaimPaid");
    const broken = await data("audit");
    expect(broken).toMatchObject({
      verdict: "FAIL",
      violations: { missing_cause: 1, no_paid_without_assessed_covered: 1 },
    });
  });

  it("has its services found with the NATS Services API, by their names on the broker", async () => {
    const all = await askServices.info(world.connection);
    expect(all.map(({ name }) => name)).toEqual(["claims_assess", "claims_close", "claims_payout"]);
    const [payout] = await askServices.info(world.connection, "claims_payout");
    expect(payout).toMatchObject({
      description: "works on claims: CLAIMS.assessed COVERED → paid",
      metadata: { flow: "claims", stream: "CLAIMS", consumers: "claims_payout_assessed_COVERED" },
      endpoints: [{ name: "claims_payout_assessed_COVERED", subject: "CLAIMS.assessed.*" }],
    });
    const [assess] = await askServices.stats(world.connection, "claims_assess");
    expect(assess?.endpoints).toMatchObject([{ num_requests: 203, num_errors: 0 }]);
  });

  it("keeps apart from the orders on the same broker, in streams, consumers and dead letters", async () => {
    await world.storeByHand("CLAIMS.opened.poison", { policy: "" }, "claims.v1.ClaimOpened");
    await until(async () => (await data("dlq list").catch(() => undefined)) !== undefined);
    const letter = await data("dlq list");
    expect(letter).toMatchObject({
      service: "claims_assess",
      orderId: "poison",
      reason: "bad_message",
      stream: "CLAIMS",
    });
    expect((await world.run(`dlq show ${letter.sequence}`)).stdout).toContain("claim poison");
    const orders = { flow: "orders" };
    expect((await world.run("dlq list", orders)).stdout).toBe("no dead letters\n");
    await world.run("topology apply", orders);
    await world.run("publish order --count 3", orders);
    expect((await world.run("audit", orders)).stdout).toContain("3 orders");
    expect((await world.run("lag")).stdout).not.toContain("payment-processor");
  });

  it("replays a service without effects, and refuses one with", async () => {
    const replayed = await world.run("replay --service assess");
    expect(replayed.stdout).toMatch(/^204 events: 203 the same outcome, 0 different, 1 failed\n/);
    expect((await world.run("replay --service payout")).stderr).toContain(
      "does not say that its handlers have no effects",
    );
  });

  it.each<[string, number, RegExp]>([
    ["publish opened", 2, /what of opened\? --data, --file or --count/],
    ["publish paid --count 1", 2, /'paid' is invalid/],
    ["publish opened --data {", 2, /--data: /],
    ["serve nobody", 2, /'nobody' is invalid/],
    ["serve gateway", 2, /'gateway' is invalid/],
  ])("%s is refused", async (words, code, why) => {
    const ran = await world.run(words);
    expect(ran.stderr).toMatch(why);
    expect(ran.exitCode).toBe(code);
  });

  it("is archived, and found there: by trace, audit, and whoever publishes it again", async () => {
    const folder = await temporaryFolder();
    await world.serve(`archive --archive ${folder} --keep 1s --segment-events 200`);
    await until(async () => (await readExtent(world.connection, "CLAIMS")).firstSequence > 600, 60_000);
    expect((await world.run("trace c-7")).stdout).toMatch(/^claim c-7 CLOSED in /);
    expect((await world.run("publish opened --count 5")).stdout).toContain(
      "nothing new: all 5 claims were already stored",
    );
    const all = await data("audit --all");
    expect(all).toMatchObject({ archiveFaults: 0, violations: { duplicate_event: 0, unreadable: 1 } });
  });
});
