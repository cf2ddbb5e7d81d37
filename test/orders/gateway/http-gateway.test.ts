import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { createHttpGateway } from "../../../src/orders/gateway/http-gateway.ts";
import { type Respond, saying, startProvider } from "./start-provider.ts";

const total = { amountMinor: 1999, currency: "GBP" };
const signal = new AbortController().signal;
const call = { orderId: "o-1", chargeId: "ch_1", total, idempotencyKey: "key-1", signal };

const gatewayAt = (url: URL, timeoutMs = 5000) => createHttpGateway({ url, timeoutMs });

async function errorOf(work: Promise<unknown>): Promise<OrderctlError> {
  const thrown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (thrown instanceof OrderctlError) return thrown;
  throw new Error(`expected an OrderctlError, not ${thrown}`);
}

describe("an answer", () => {
  it("of 200 or 201 is a charge or a refund, asked for with its key", async () => {
    const { url, received } = await startProvider(saying(201, { charge_id: "ch_1", refund_id: "re_1" }));
    const gateway = gatewayAt(new URL(`${url}v1/`));
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    expect(await gateway.charge({ ...call, headers: { traceparent } })).toEqual({
      status: "APPROVED",
      chargeId: "ch_1",
    });
    expect(await gateway.refund(call)).toEqual({ refundId: "re_1" });
    expect(received).toMatchObject([
      {
        path: "/v1/charges",
        headers: { "idempotency-key": "key-1", "content-type": "application/json", traceparent },
        body: { order_id: "o-1", amount_minor: 1999, currency: "GBP" },
      },
      { path: "/v1/refunds", body: { charge_id: "ch_1", amount_minor: 1999, currency: "GBP" } },
    ]);
    const again = await startProvider(saying(200, { charge_id: "ch_1" }));
    expect(await gatewayAt(again.url).charge(call)).toMatchObject({ chargeId: "ch_1" });
  });

  it("of 402 is a declined charge, but no refund", async () => {
    const { url } = await startProvider(saying(402, { reason: "card_expired" }));
    expect(await gatewayAt(url).charge(call)).toEqual({ status: "DECLINED", reason: "card_expired" });
    expect(await errorOf(gatewayAt(url).refund(call))).toMatchObject({ code: "conflict" });
  });

  it.each([
    [400, "conflict"],
    [401, "denied"],
    [403, "denied"],
    [404, "not_found"],
    [408, "unavailable"],
    [409, "unavailable"],
    [418, "conflict"],
    [422, "conflict"],
    [429, "unavailable"],
    [500, "unavailable"],
    [502, "unavailable"],
    [503, "unavailable"],
    [307, "conflict"],
  ])("of %d is an error, never a refusal by the customer's bank", async (status, code) => {
    const { url } = await startProvider(saying(status, { message: "as it happens" }));
    const error = await errorOf(gatewayAt(url).charge(call));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(new RegExp(`^charge at ${url}charges: ${status} .*: as it happens$`));
    expect((await errorOf(gatewayAt(url).refund(call))).code).toBe(code);
  });

  it.each([
    [201, "<html>"],
    [200, "[]"],
    [200, {}],
    [200, { charge_id: "" }],
    [402, "Payment Required"],
    [402, { message: "your plan has expired" }],
  ])("of %d with %j decides nothing", async (status, body) => {
    const { url } = await startProvider(saying(status, body));
    expect(await errorOf(gatewayAt(url).charge(call))).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(`charge at ${url}charges: ${status} `),
    });
  });

  it("that does not end is read no further than 64 KiB", async () => {
    const { url } = await startProvider((response) => {
      response.writeHead(200);
      const chunk = "x".repeat(16 * 1024);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", more);
      more();
    });
    expect(await errorOf(gatewayAt(url).charge(call))).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("too long"),
    });
  });
});

describe("no answer", () => {
  it.each<[string, Respond]>([
    ["none at all", () => {}],
    ["half of one", (response) => void response.writeHead(200).write('{"charge_id":')],
  ])("in time: %s is a timeout", async (_what, respond) => {
    const { url } = await startProvider(respond);
    const error = await errorOf(gatewayAt(url, 100).charge(call));
    expect(error).toMatchObject({
      code: "timeout",
      message: `charge at ${url}charges: no answer within 0.1 s`,
    });
  });

  it.each<[string, Respond]>([
    ["before", (response) => void response.destroy()],
    [
      "within",
      (response) => {
        response.writeHead(200).write('{"charge_id":', () => response.destroy());
      },
    ],
  ])("because the connection was lost %s it", async (_what, respond) => {
    const { url } = await startProvider(respond);
    expect(await errorOf(gatewayAt(url).refund(call))).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(`refund at ${url}refunds: `),
    });
  });

  it.each(["127.0.0.1", "localhost"])("because nobody listens at %s", async (host) => {
    const url = new URL(`http://${host}:1`);
    expect(await errorOf(gatewayAt(url).charge(call))).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/^charge at http:\/\/[\w.]+:1\/charges: connect ECONNREFUSED .*:1/),
    });
  });

  it("because it was given up: rejects with the signal's reason, at once", async () => {
    const { url, received } = await startProvider(() => {});
    const controller = new AbortController();
    const charging = gatewayAt(url).charge({ ...call, signal: controller.signal });
    const reason = new OrderctlError("interrupted", "the worker is stopping");
    controller.abort(reason);
    await expect(charging).rejects.toBe(reason);
    await expect(gatewayAt(url).charge({ ...call, signal: controller.signal })).rejects.toBe(reason);
    expect(received.length).toBeLessThan(2);
  });
});

it("sends the URL's credentials and tells them to nobody", async () => {
  const { url, received } = await startProvider(saying(401));
  url.username = "shop";
  url.password = "s3cret";
  const error = await errorOf(gatewayAt(url).charge(call));
  expect(received[0]?.headers.authorization).toBe(`Basic ${btoa("shop:s3cret")}`);
  expect(`${error.message} ${error.hint} ${error.stack}`).not.toMatch(/s3cret|shop/);
});

it("keeps connections open from call to call", async () => {
  const ports = new Set<number | undefined>();
  const { url } = await startProvider((response) => {
    ports.add(response.socket?.remotePort);
    saying(200, { charge_id: "ch_1" })(response);
  });
  const gateway = gatewayAt(url);
  for (let calls = 0; calls < 20; calls += 1) await gateway.charge(call);
  expect(ports.size).toBe(1);
});
