import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chargeSchema, refundSchema } from "../../src/orders/gateway/simulator/call-schema.ts";
import { faultsSchema, noFaults } from "../../src/orders/gateway/simulator/faults.ts";
import { readBooked } from "../orders/gateway/test-simulator.ts";
import { size } from "../support/size.ts";
import { type Launched, launch } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { brokenFor, validFor } from "./from-schema.ts";
import { hostileHeader, pathId, smallNoOrder } from "./order-request.ts";
import { exchange, type RawAnswer, type RawRequest } from "./raw-http.ts";

const numRuns = size({ short: 100, long: 3000 });
const ledger = join(tmpdir(), `orderctl-fuzz-${process.pid}.ndjson`);
const json = ["content-type", "application/json"] as const;

let serving: Launched;
let url: string;
let key = 0;

beforeAll(async () => {
  serving = launch(`serve gateway --gateway-port 0 --json --ledger ${ledger}`);
  await until(() => serving.stdout().includes("\n"), 30_000);
  url = JSON.parse(serving.stdout()).data.url;
});

afterAll(async () => {
  await serving.stop("SIGKILL");
  await rm(ledger, { force: true });
});

const send = (request: RawRequest) => exchange(url, request);
const call = (path: string, body: unknown) =>
  send({
    path,
    headers: [json, ["idempotency-key", `key-${++key}`]],
    body: Buffer.from(JSON.stringify(body)),
  });
const setFaults = (faults: unknown) =>
  send({ method: "PUT", path: "/faults", headers: [json], body: JSON.stringify(faults) });

function expectRefusal({ status, headers, body }: RawAnswer): void {
  expect([400, 404, 405, 413, 414, 415, 417, 421, 422, 431], body).toContain(status);
  expect(body).not.toMatch(/\bat .+:\d+:\d+|node_modules|\.ts\b|\.js\b/);
  // Node refuses expectations by itself, without a word.
  if (status === 417) return;
  expect(headers.get("content-type")).toMatch(/^application\/(problem\+)?json/);
  expect(JSON.parse(body)).toMatchObject({ message: expect.stringMatching(/./) });
}

/** The same refund, of a charge that was made; undefined where that was declined. */
async function refundable(refund: unknown): Promise<object | undefined> {
  const { amount_minor, currency } = refund as Record<string, unknown>;
  const { body } = await call("/charges", { order_id: "any", amount_minor, currency });
  const { charge_id } = JSON.parse(body);
  return charge_id && { amount_minor, currency, charge_id };
}

describe("serve gateway", () => {
  it.each([
    ["/charges", chargeSchema],
    ["/refunds", refundSchema],
  ])("books every call of %s that its schema allows, and none that breaks it", async (path, schema) => {
    const kind = path === "/charges" ? "charges" : "refunds";
    const booked = new Set<string>();
    const good = fc.asyncProperty(validFor(schema), async (wanted) => {
      const body = path === "/charges" ? wanted : await refundable(wanted);
      if (body === undefined) return;
      const { status } = await call(path, body);
      expect([201, 402]).toContain(status);
      booked.add(`key-${key}`);
    });
    await fc.assert(good, { numRuns });
    const bad = fc.asyncProperty(brokenFor(schema), async ({ at, body }) => {
      const answer = await call(path, body);
      expectRefusal(answer);
      expect([answer.status, at]).toEqual([400, at]);
    });
    await fc.assert(bad, { numRuns });
    const entries = await readBooked(url, kind);
    expect(entries.map(({ idempotency_key }) => idempotency_key).sort()).toEqual([...booked].sort());
  });

  it("sets the faults that their schema allows, and none that break it", async () => {
    const read = async () => JSON.parse((await send({ method: "GET", path: "/faults" })).body);
    const good = fc.asyncProperty(validFor(faultsSchema), async (faults) => {
      expect((await setFaults(faults)).status).toBe(200);
      expect(await read()).toEqual({ ...noFaults, ...(faults as object) });
    });
    await fc.assert(good, { numRuns });
    await setFaults({});
    const bad = fc.asyncProperty(brokenFor(faultsSchema), async ({ at, body }) => {
      const answer = await setFaults(body);
      expectRefusal(answer);
      expect([answer.status, at]).toEqual([400, at]);
    });
    await fc.assert(bad, { numRuns });
    expect(await read()).toEqual(noFaults);
  });

  it("answers whatever else comes, and is the same process still", async () => {
    const path = fc.oneof(
      fc.constantFrom("/charges", "/refunds", "/faults", "/", "//charges"),
      pathId.map((id) => `/charges/${id}`),
    );
    const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH");
    const headers = fc.array(
      fc.oneof(hostileHeader, fc.constant(["idempotency-key", ""] as [string, string])),
      {
        maxLength: 3,
      },
    );
    const request = fc.record({ path, method, headers, body: smallNoOrder });
    const property = fc.asyncProperty(request, async ({ headers, ...rest }) => {
      const answer = await send({ ...rest, headers: [...headers, json] });
      if (answer.status !== 200) expectRefusal(answer);
      if (rest.method === "PUT") await setFaults({});
    });
    await fc.assert(property, { numRuns: numRuns * 2 });
    expect(serving.isAlive()).toBe(true);
    expect(serving.stderr()).not.toMatch(/\n\s+at .+:\d+|"level":"error"/);
    expect(await serving.stop()).toMatchObject({ exitCode: 0 });
  });
});
