import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { size } from "../support/size.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { type Launched, launch, orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { brokenOrder, hostileHeader, noOrder, pathId, validOrder } from "./order-request.ts";
import { exchange, type RawAnswer, type RawRequest } from "./raw-http.ts";

const numRuns = size({ short: 150, long: 4000 });
const json = ["content-type", "application/json"] as const;
/** Every status that the README or RFC 9110 has for these requests; 5xx only where the log is away, which it is not. */
const refusals = [400, 404, 405, 409, 413, 414, 415, 417, 421, 422, 431];

let broker: TestBroker;
let serving: Launched;
let url: string;
const placed = new Set<string>();

beforeAll(async () => {
  broker = await startTestBroker();
  // Spans are recorded and sent into the void, so that what comes with a request goes through OpenTelemetry as well.
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
  const services = "order payment inventory shipping notification --http-port 0";
  serving = launch(`serve ${services} --json --server ${broker.url}`, env);
  await until(() => serving.stdout().includes("\n"), 30_000);
  url = JSON.parse(serving.stdout()).data.url;
});

afterAll(async () => {
  await serving.stop("SIGKILL");
  await broker.stop();
});

const send = (request: RawRequest) => exchange(url, request);
const post = (body: unknown) =>
  send({ path: "/orders", headers: [json], body: Buffer.from(JSON.stringify(body)) });

/** A documented refusal: a problem that says what it is, without anything of the program's inside. */
function expectProblem({ status, headers, body }: RawAnswer): void {
  expect(refusals, body).toContain(status);
  expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(body);
  expect(problem).toMatchObject({ type: "about:blank", status, title: expect.any(String) });
  expect(problem.detail).toEqual(expect.any(String));
  expect(problem.code).toMatch(/^[a-z_]+$/);
  expect(body).not.toMatch(/\bat .+:\d+:\d+|node_modules|\.ts\b|\.js\b/);
}

/** Notes an order that was taken, which the pipeline then has to end. */
function remember({ status, headers, body }: RawAnswer): void {
  expect([200, 201], body).toContain(status);
  const { order_id } = JSON.parse(body);
  expect(headers.get("location")).toBe(`/orders/${order_id}`);
  placed.add(order_id);
}

const expectAnswer = (answer: RawAnswer) => (answer.status < 300 ? remember(answer) : expectProblem(answer));

describe("serve order", () => {
  it("takes every order that its schema allows", async () => {
    const property = fc.asyncProperty(validOrder, async (order) => {
      const answer = await post(order);
      // Ids are drawn at random, and short ones come twice; lines may add up to more than can be counted.
      if (answer.status === 409) return;
      if (answer.status === 422)
        expect(JSON.parse(answer.body).detail).toMatch(/^total is \d+(e\+)?\d*, (not|and the lines)/);
      else remember(answer);
    });
    await fc.assert(property, { numRuns });
  });

  it("refuses every order that breaks its schema in one place, and names the place", async () => {
    const property = fc.asyncProperty(brokenOrder, async ({ at, body }) => {
      const answer = await post(body);
      expectProblem(answer);
      expect([answer.status, at]).toEqual([422, at]);
      const field = at.split(/[.[]/)[1];
      const told = JSON.parse(answer.body).field ?? "";
      if (field === "*") expect(told, answer.body).not.toBe("");
      else expect(told, answer.body).toMatch(new RegExp(`^${field}`));
    });
    await fc.assert(property, { numRuns: numRuns * 2 });
  });

  it("answers whatever else comes as a body with a documented status", async () => {
    const property = fc.asyncProperty(noOrder, async (body) => {
      expectAnswer(await send({ path: "/orders", headers: [json], body }));
    });
    await fc.assert(property, { numRuns });
  });

  it("answers whatever comes as headers, methods and ids with a documented status", async () => {
    const headers = fc.array(hostileHeader, { maxLength: 3 });
    const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND");
    const path = fc.oneof(
      fc.constantFrom("/orders", "/orders/", "//orders", "/", "/healthz/x", "*"),
      pathId.map((id) => `/orders/${id}`),
    );
    const body = fc.constantFrom(undefined, '{"total_amount":1}', "{");
    const property = fc.asyncProperty(fc.record({ headers, method, path, body }), async (request) => {
      const answer = await send({ ...request, headers: [...request.headers, json] });
      if (request.method === "GET" && answer.status === 200)
        expect(JSON.parse(answer.body)).toHaveProperty("order_id");
      else expectAnswer(answer);
    });
    await fc.assert(property, { numRuns: numRuns * 2 });
  });

  it("ends the largest order that it takes, though every article of it is missing", async () => {
    const lines = Array.from({ length: 2000 }, (_, index) => ({
      sku: `${index}`.padStart(64, "€"),
      quantity: 2_000_000,
      unit_price: "0.01",
    }));
    remember(await post({ order_id: "largest", lines }));
    const order = () => send({ method: "GET", path: "/orders/largest" }).then(({ body }) => JSON.parse(body));
    await until(async () => (await order()).ended === true, 30_000);
    expect(await order()).toMatchObject({ status: "refunded" });
  });

  it("ended every order that it took, gave up none, and is the same process still", async () => {
    expect(placed.size).toBeGreaterThan(numRuns / 2);
    const isEnded = async (id: string) =>
      JSON.parse((await send({ method: "GET", path: `/orders/${id}` })).body).ended === true;
    for (const id of placed) await until(() => isEnded(id), 30_000);
    const where = `--server ${broker.url}`;
    expect(await orderctl(`dlq list --json ${where}`)).toMatchObject({ exitCode: 0, stdout: "" });
    expect(await orderctl(`audit --grace 0s ${where}`)).toMatchObject({ exitCode: 0 });
    expect(serving.isAlive()).toBe(true);
    const logged = serving.stderr();
    expect(logged).not.toMatch(/"level":"(error|fatal)"|\n\s+at .+:\d+|ERR_/);
    expect(await serving.stop()).toMatchObject({ exitCode: 0 });
  });
});
