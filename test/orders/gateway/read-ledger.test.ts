import { expect, it } from "vitest";
import { readLedger } from "../../../src/orders/gateway/read-ledger.ts";
import { serveText } from "./serve-text.ts";

const { signal } = new AbortController();

const line = (key: string, status: string) =>
  `${JSON.stringify({ idempotency_key: key, status, booked_at: "2026-01-31T09:00:00.000Z" })}\n`;

async function booked(url: string) {
  const found: string[] = [];
  for await (const { operation, orderId } of readLedger(new URL(url), signal))
    found.push(`${operation} ${orderId}`);
  return found;
}

it("tells for which orders money was moved, and leaves out what was declined", async () => {
  const url = await serveText({
    "/api/charges": line("a", "approved") + line("b", "declined") + line("c", "approved"),
    "/api/refunds": line("refund_c", "refunded"),
  });
  expect(await booked(`${url}/api`)).toEqual(["charge a", "charge c", "refund c"]);
  expect(await booked(`${url}/api/`)).toEqual(["charge a", "charge c", "refund c"]);
});

it("names the line that is none", async () => {
  const url = await serveText({ "/charges": `${line("a", "approved")}{"status":"approved"}\n` });
  await expect(booked(url)).rejects.toMatchObject({
    code: "bad_message",
    message: expect.stringContaining("/charges: line 2 is no charge"),
  });
});

it("is unavailable where nobody answers, or nobody keeps books", async () => {
  await expect(booked("http://127.0.0.1:9")).rejects.toMatchObject({ code: "unavailable" });
  await expect(booked(await serveText({}))).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("404"),
  });
});
