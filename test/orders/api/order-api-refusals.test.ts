import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OrderWorld, openOrderWorld, send } from "./order-world.ts";

let world: OrderWorld;
beforeAll(async () => {
  world = await openOrderWorld();
});
afterAll(() => world.close());

const line = { sku: "MUG-003", quantity: 1, unit_price: 1 };

describe("an order that cannot be", () => {
  it.each([
    [{ order_id: "a.b", total_amount: 1 }, "order_id"],
    [{ order_id: 7, total_amount: 1 }, "order_id"],
    [{ customer_id: 7, total_amount: 1 }, "customer_id"],
    [{ currency: "euro", total_amount: 1 }, "currency"],
    [{ total_amount: "a lot" }, "total_amount"],
    [{ total_amount: { minor: 1 } }, "total_amount"],
    [{ total_minor: -1 }, "total"],
    [{ total_minor: 1, created_at_us: 1.5 }, "created_at_us"],
    [{ lines: {} }, "lines"],
    [{ lines: [null] }, "lines[0]"],
    [{ lines: [line, { ...line, sku: "" }] }, "lines[1].sku"],
    // A SKU of 5,000 characters used to be stored, and inventory to lose its connection over it again and again.
    [{ lines: [{ ...line, sku: "x".repeat(65) }] }, "lines[0].sku"],
    [{ lines: Array(2001).fill(line) }, "lines"],
    [{ lines: [{ ...line, quantity: 0 }] }, "lines[0].quantity"],
    [{ lines: [{ ...line, quantity: "1" }] }, "lines[0].quantity"],
    [{ lines: [{ sku: "MUG-003", quantity: 1 }] }, "lines[0].unit_price"],
    [{ lines: [{ ...line, unit_price: "x" }] }, "lines[0].unit_price"],
    [{ lines: [{ ...line, unit_price: -1 }] }, "lines[0].unit_price"],
    [{ total_amount: 1.234 }, "total_amount"],
    // It used to be rounded: two at 4.255 were charged 8.52.
    [{ lines: [{ ...line, unit_price: 4.255 }] }, "lines[0].unit_price"],
    [{ lines: [{ ...line, unit_price: "1e3" }] }, "lines[0].unit_price"],
    [{ total_amount: "1.00", total_minor: 101 }, "total_amount"],
    // It used to be stored, and its customer charged a cent.
    [{ total_minor: 1, lines: [{ ...line, unit_price: "99990.00" }] }, "total"],
    [{ total_amount: "2.01", lines: [line, line] }, "total"],
    [{ total_minor: 0, lines: [line] }, "total"],
    [{}, undefined],
  ])("is answered with 422 and the field: %.200j", async (order, field) => {
    const { status, headers, body } = await world.post(order);
    expect(status).toBe(422);
    expect(headers.get("content-type")).toContain("application/problem+json");
    expect(body).toMatchObject({ type: "about:blank", title: "Unprocessable Entity", status: 422 });
    expect(body.field).toBe(field);
    expect(String(body.detail).startsWith(field ?? "neither")).toBe(true);
  });
});

describe("an order with a field that nobody knows", () => {
  // It used to be stored without it: an order for "unit_prise" 0 would have been free, had it not been for its total.
  it.each([
    [{ total_amount: 1, colour: "red" }, "colour"],
    [{ total_amount: 1, orderId: "o-1" }, "orderId"],
    [{ total_amount: 1, lines: [line, { ...line, gift: true }] }, "lines[1].gift"],
    [{ lines: [{ ...line, "": 1 }] }, "lines[0]."],
    [JSON.parse('{"total_amount":1,"__proto__":{"order_id":"p"}}'), "__proto__"],
    [{ total_amount: 1, ["x".repeat(500)]: null }, "x".repeat(100)],
  ])("is answered with 422 and its name: %.100j", async (order, field) => {
    const { status, body } = await world.post(order);
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: "invalid_order", field });
    expect(body.detail).toBe(`${JSON.stringify(field)} is no field of an order`);
  });
});

describe("a request that is no order", () => {
  it.each(["{", "[]", "null", '"order"', "", "\ufeff"])("is answered with 400: %j", async (text) => {
    const { status, body } = await world.post(text);
    expect(status).toBe(400);
    expect(body).toMatchObject({ status: 400, title: "Bad Request", code: "malformed_body" });
  });

  it("is answered with 400 when it is not UTF-8", async () => {
    const body = Buffer.from('{"customer_id":"caf\xe9","total_amount":1}', "latin1");
    const headers = { "content-type": "application/json" };
    const answer = await send(`${world.api.url}/orders`, { method: "POST", headers, body });
    expect(answer).toMatchObject({ status: 400, body: { detail: "not UTF-8" } });
  });

  it("is answered with 413 when it is larger than a MiB, before it is read", async () => {
    const { status, body } = await world.post({ customer_id: "x".repeat(1 << 20), total_amount: 1 });
    expect(status).toBe(413);
    expect(body).toMatchObject({ code: "too_large", title: "Payload Too Large" });
  });

  it("is answered with 415 when it is no JSON by its own account", async () => {
    const answer = await world.post("order_id=1", { "content-type": "application/x-www-form-urlencoded" });
    expect(answer).toMatchObject({ status: 415, body: { code: "unsupported_media_type" } });
  });

  it("is answered with 404 on a path that is none", async () => {
    expect(await world.get("/nothing")).toMatchObject({ status: 404, body: { status: 404 } });
  });

  it.each([
    ["/orders", "GET", "POST"],
    ["/orders/o-1", "DELETE", "GET, HEAD"],
  ])("is answered with 405 and the right method on %s", async (path, method, allow) => {
    const { status, headers, body } = await send(world.api.url + path, { method });
    expect([status, headers.get("allow")]).toEqual([405, allow]);
    expect(body).toMatchObject({ code: "method_not_allowed" });
  });

  it("is answered with 400 when its path cannot be decoded", async () => {
    expect(await world.get("/orders/%ZZ")).toMatchObject({ status: 400, body: { title: "Bad Request" } });
  });

  // It used to be cut off while it was sent, and the sender to see a broken pipe instead of the answer.
  it("is answered with 413 although it closes the connection after it and is still sending", async () => {
    const body = "x".repeat(8 << 20);
    const head = `content-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}`;
    const answer = await sendRaw(`POST /orders HTTP/1.1\r\nhost: localhost\r\n${head}\r\n\r\n${body}`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  // The answer used to have no body.
  it("is answered with 417 and a problem when it expects what nobody knows", async () => {
    const answer = await sendRaw(
      "POST /orders HTTP/1.1\r\nhost: localhost\r\nexpect: magic\r\nconnection: close\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 417 /);
    expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toMatchObject({ code: "expectation_failed" });
  });

  it("is answered in HTTP and cut off when it is no HTTP at all", async () => {
    const answer = await sendRaw("HELLO\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("content-type: application/problem+json");
    expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toMatchObject({ status: 400 });
  });
});

function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(world.api.url);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

describe("an event that somebody else damaged", () => {
  const store = (subject: string) =>
    world.publisher.publish({ subject, payload: new TextEncoder().encode("not protobuf") });

  it("gives 500 without internals to the caller, and the reason to the operator", async () => {
    await store("ORDERS.created.damaged-1");
    const { status, body } = await world.get("/orders/damaged-1");
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toMatch(/protobuf|ORDERS|readable/);
    expect(world.notes).toContainEqual(expect.stringContaining("ORDERS.created.damaged-1"));
  });

  it("keeps its id: an order under it is a conflict", async () => {
    await store("ORDERS.created.damaged-2");
    expect(await world.post({ order_id: "damaged-2", total_amount: 1 })).toMatchObject({ status: 409 });
  });
});
